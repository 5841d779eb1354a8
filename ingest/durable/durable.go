// Package durable writes files that are there after a power cut, whole or not at all.
//
// A file that is renamed has its new name for certain only once its directory is written,
// too. Windows has no such call and needs none: to write a directory is refused there, and
// NTFS journals names.
package durable

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// Replace gives a file another content: after a power cut it has the old one or the new.
// The content is in PATH.new until then. A file that is not there is made, with mode.
func Replace(path string, data []byte, mode fs.FileMode) error {
	f, err := os.OpenFile(path+".new", os.O_CREATE|os.O_TRUNC|os.O_WRONLY, mode)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(path+".new", path); err != nil {
		return err
	}
	return Dir(filepath.Dir(path))
}
