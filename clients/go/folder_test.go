package signet

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
)

func TestFilesAreReplacedAtomically(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	storage := NewFolderStorage(folder)
	contents := []string{strings.Repeat("a", 100_000), strings.Repeat("b", 50_000)}
	if err := storage.Write(tokenFile, []byte(contents[0])); err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	for _, content := range contents {
		group.Add(1)
		go func(content string) {
			defer group.Done()
			for i := 0; i < 50; i++ {
				if err := storage.Write(tokenFile, []byte(content)); err != nil {
					t.Error(err)
				}
			}
		}(content)
	}
	for i := 0; i < 200; i++ {
		data, err := storage.Read(tokenFile)
		if err != nil || (string(data) != contents[0] && string(data) != contents[1]) {
			t.Errorf("read %d bytes: %v", len(data), err)
		}
	}
	group.Wait()
	equal(t, "after all", "files", strings.Join(filesIn(t, folder), " "), tokenFile)
}

func TestFailedWriteKeepsTheFile(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	storage := NewFolderStorage(folder)
	if err := os.MkdirAll(filepath.Join(folder, tokenFile, "in the way"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := storage.Write(tokenFile, []byte("x")); err == nil {
		t.Fatal("a folder was replaced")
	}
	equal(t, "after a failure", "files", strings.Join(filesIn(t, folder), " "), tokenFile)
}

func TestFolderAndFilesArePrivate(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no modes")
	}
	folder := filepath.Join(t.TempDir(), "signet", "atlas")
	if err := NewFolderStorage(folder).Write(licenseKeyFile, []byte("x")); err != nil {
		t.Fatal(err)
	}
	for path, mode := range map[string]os.FileMode{folder: 0o700, filepath.Join(folder, licenseKeyFile): 0o600} {
		info, err := os.Stat(path)
		if err != nil || info.Mode().Perm() != mode {
			t.Error(path, info.Mode(), err)
		}
	}
}

func TestLicenseGoesOnWithoutAFolder(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	license := newFakeAPI(t).open(t, func(o *Options) { o.Folder = filepath.Join(file, "folder") })
	state, err := license.Activate(background, testLicenseKey)
	if err != nil || state.Name != Active {
		t.Fatal(state, err)
	}
	if text := license.Diagnose(); !strings.Contains(text, "/folder, not writable: token.json") {
		t.Fatal(text)
	}
}

func filesIn(t *testing.T, folder string) []string {
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	return names
}

func TestStorageWithoutAPathStoresNothing(t *testing.T) {
	t.Parallel()
	storage := NewFolderStorage("")
	_, errRead := storage.Read("go.mod")
	errWrite := storage.Write(tokenFile, []byte("x"))
	errRemove := storage.Remove(tokenFile)
	if errRead == nil || errWrite == nil || errRemove == nil {
		t.Fatal(errRead, errWrite, errRemove)
	}
}
