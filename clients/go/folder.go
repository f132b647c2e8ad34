package signet

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"time"
)

const (
	folderMode = 0o700
	// renameTries is how often a file is renamed on Windows, where that fails while another process reads the file.
	renameTries = 20
	renameDelay = 10 * time.Millisecond
)

// FolderStorage is a [Storage] of files in a folder, which several processes may share. The folder has mode 0700 and the files
// have mode 0600. The folder is created when the first file is written.
type FolderStorage struct {
	path string
}

// NewFolderStorage returns the storage in the folder path. With an empty path, nothing can be stored.
func NewFolderStorage(path string) *FolderStorage { return &FolderStorage{path: path} }

// Read returns the content of a file.
func (s *FolderStorage) Read(name string) ([]byte, error) {
	if s.path == "" {
		return nil, fs.ErrInvalid
	}
	return os.ReadFile(filepath.Join(s.path, name))
}

// Write replaces a file atomically: a temporary file in the same folder is written, flushed and renamed.
func (s *FolderStorage) Write(name string, data []byte) error {
	if s.path == "" {
		return fs.ErrInvalid
	}
	if err := os.MkdirAll(s.path, folderMode); err != nil {
		return err
	}
	temporary, err := os.CreateTemp(s.path, "."+name+".*.tmp")
	if err != nil {
		return err
	}
	_, errWrite := temporary.Write(data)
	errSync := temporary.Sync()
	errClose := temporary.Close()
	err = errors.Join(errWrite, errSync, errClose)
	if err == nil {
		err = rename(temporary.Name(), filepath.Join(s.path, name))
	}
	if err != nil {
		_ = os.Remove(temporary.Name())
	}
	return err
}

// Remove removes a file. It succeeds if there is none.
func (s *FolderStorage) Remove(name string) error {
	if s.path == "" {
		return fs.ErrInvalid
	}
	err := os.Remove(filepath.Join(s.path, name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

func rename(from, to string) error {
	err := os.Rename(from, to)
	for try := 1; err != nil && runtime.GOOS == "windows" && try < renameTries; try++ {
		time.Sleep(renameDelay)
		err = os.Rename(from, to)
	}
	return err
}

// defaultFolder returns the folder of a product in the data folder of the user, or the empty text if there is none. Nothing is
// stored then.
func defaultFolder(product string) string {
	home, _ := os.UserHomeDir()
	var data string
	switch runtime.GOOS {
	case "windows":
		data = os.Getenv("LOCALAPPDATA")
	case "darwin", "ios":
		data = below(home, "Library", "Application Support")
	default:
		data = os.Getenv("XDG_DATA_HOME")
		if !filepath.IsAbs(data) {
			data = below(home, ".local", "share")
		}
	}
	return below(data, "signet", product)
}

// below joins a path, and returns the empty text if the first element is empty.
func below(folder string, elements ...string) string {
	if folder == "" {
		return ""
	}
	return filepath.Join(append([]string{folder}, elements...)...)
}
