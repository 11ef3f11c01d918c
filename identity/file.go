package identity

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// maxFile bounds every file that this package reads, in bytes: an authority
// file with the most keys allowed is below 1 KiB.
const maxFile = 16 << 10

// readFile reads a whole regular file of at most maxFile bytes and returns its
// mode with it, both from one open file.
func readFile(path string) ([]byte, fs.FileMode, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, 0, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, 0, err
	}
	if !info.Mode().IsRegular() {
		return nil, 0, fmt.Errorf("%s is not a regular file", path)
	}
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, 0, err
	}
	if len(data) > maxFile {
		return nil, 0, fmt.Errorf("%s is larger than %d bytes", path, maxFile)
	}
	return data, info.Mode().Perm(), nil
}

// replaceFile puts data at path so that after a power cut at any moment either
// the old or the new content is there, whole.
func replaceFile(path string, data []byte, perm fs.FileMode) error {
	tmp := path + ".tmp" // fixed, so that power cuts leave at most one behind
	if err := writeSynced(tmp, os.O_TRUNC, data, perm); err != nil {
		return err
	}
	if err := os.Rename(tmp, path); err != nil {
		return errors.Join(err, os.Remove(tmp))
	}
	return syncDir(path)
}

// createFile is replaceFile that fails with fs.ErrExist if path exists.
func createFile(path string, data []byte, perm fs.FileMode) error {
	tmp := path + "." + NewID()
	if err := writeSynced(tmp, os.O_EXCL, data, perm); err != nil {
		return err
	}
	// A link, unlike a rename, never replaces what is already there.
	err := os.Link(tmp, path)
	if err := errors.Join(err, os.Remove(tmp)); err != nil {
		return err
	}
	return syncDir(path)
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

// syncDir makes the entry of path in its folder durable.
func syncDir(path string) error {
	d, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
