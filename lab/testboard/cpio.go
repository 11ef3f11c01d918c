package main

import (
	"fmt"
	"io"
	"io/fs"
	"path"
)

// archive writes an initial file system in the kernel's "newc" format (Documentation/driver-api/early-userspace/
// buffer-format.rst). The same calls give the same bytes: no times, no owners.
type archive struct {
	w    io.Writer
	ino  int
	dirs map[string]bool
	err  error
}

func newArchive(w io.Writer) *archive {
	return &archive{w: w, dirs: map[string]bool{".": true, "/": true}}
}

// add puts in a file, and the folders above it.
func (a *archive) add(name string, mode fs.FileMode, data []byte) {
	a.folder(path.Dir(name))
	a.entry(name, 0o100000|uint32(mode.Perm()), data)
}

func (a *archive) folder(name string) {
	if a.dirs[name] {
		return
	}
	a.folder(path.Dir(name))
	a.dirs[name] = true
	a.entry(name, 0o040755, nil)
}

// device puts in a character device.
func (a *archive) device(name string, major, minor int) {
	a.folder(path.Dir(name))
	a.write(name, 0o020600, nil, major, minor)
}

func (a *archive) entry(name string, mode uint32, data []byte) { a.write(name, mode, data, 0, 0) }

func (a *archive) write(name string, mode uint32, data []byte, major, minor int) {
	a.ino++
	header := "070701"
	for _, field := range []int{a.ino, int(mode), 0, 0, 1, 0, len(data), 0, 0, major, minor, len(name) + 1, 0} {
		header += fmt.Sprintf("%08x", field)
	}
	a.put([]byte(header + name + "\x00"))
	a.put(data)
}

// put writes and fills up to 4 bytes.
func (a *archive) put(data []byte) {
	if a.err != nil {
		return
	}
	if _, a.err = a.w.Write(data); a.err == nil {
		_, a.err = a.w.Write(make([]byte, -len(data)&3))
	}
}

// close ends the archive.
func (a *archive) close() error {
	a.write("TRAILER!!!", 0, nil, 0, 0)
	return a.err
}
