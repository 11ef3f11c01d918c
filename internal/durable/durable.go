// Package durable writes files that a power cut leaves whole: either the old
// content or the new one is there afterwards, never a part of it. It opens files
// that may be something else.
package durable

import (
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// Open opens a file for reading that somebody has named, so that it may be
// anything: it waits for no one who writes a FIFO.
func Open(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
}

// Replace puts data at path, whatever was there.
func Replace(path string, data []byte, perm fs.FileMode) error {
	tmp := path + ".tmp" // fixed, so that power cuts leave at most one behind
	if err := writeSynced(tmp, os.O_TRUNC, data, perm); err != nil {
		return err
	}
	if err := os.Rename(tmp, path); err != nil {
		return errors.Join(err, os.Remove(tmp))
	}
	return syncFolder(path)
}

// Create is Replace that fails with fs.ErrExist if path exists.
func Create(path string, data []byte, perm fs.FileMode) error {
	tmp := path + "." + rand.Text()
	if err := writeSynced(tmp, os.O_EXCL, data, perm); err != nil {
		return err
	}
	// A link, unlike a rename, never replaces what is already there.
	err := os.Link(tmp, path)
	if err := errors.Join(err, os.Remove(tmp)); err != nil {
		return err
	}
	return syncFolder(path)
}

func writeSynced(path string, flag int, data []byte, perm fs.FileMode) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|flag, perm)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return errors.Join(err, os.Remove(path))
	}
	return nil
}

// syncFolder makes the entry of path in its folder durable.
func syncFolder(path string) error {
	d, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
