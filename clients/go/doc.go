// Package signet licenses an app with a Signet installation.
//
// [Open] returns a handle to the license of this machine, from disk and without network. [License.Activate] activates the
// machine with a license key. Afterwards, a background task sends heartbeats and stores the signed license token, so
// that the app also starts and runs without network for as long as its license allows.
//
// [License.State] says whether the app may run, and [License.Has] and [License.Limit] what it may do. These three need no
// network. All methods may be called from several goroutines.
package signet

// Version is the version of this package.
const Version = "0.1.0"
