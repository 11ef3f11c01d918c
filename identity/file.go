package identity

import (
	"fmt"
	"io"
	"io/fs"
	"strings"

	"intercom/internal/durable"
)

// maxFile bounds every file that this package reads, in bytes: an authority
// file with the most keys allowed is below 1 KiB.
const maxFile = 16 << 10

// readFile reads a whole regular file of at most maxFile bytes and returns its
// mode with it, both from one open file.
func readFile(path string) ([]byte, fs.FileMode, error) {
	f, err := durable.Open(path)
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

// LoadToken reads an access token from a regular file, without checking it.
func LoadToken(path string) (string, error) {
	data, _, err := readFile(path)
	return strings.TrimSpace(string(data)), err
}
