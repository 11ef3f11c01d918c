package board

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
)

// ErrUndetected is in the error of Detect for a machine that no profile knows.
var ErrUndetected = errors.New("this board is not known")

// compatibleFile holds the names of a board, the most exact one first, each
// with a final zero (Devicetree Specification, 2.3.1).
const compatibleFile = "proc/device-tree/compatible"

// Detect returns the name of the profile of the machine whose root file system
// is given. The most exact of the device tree's names decides.
func Detect(root fs.FS, dir string) (string, error) {
	data, err := fs.ReadFile(root, compatibleFile)
	if err != nil {
		return "", fmt.Errorf("board: %w: it has no device tree (/%s); name a profile instead of %q", ErrUndetected, compatibleFile, Auto)
	}
	compatible := strings.FieldsFunc(string(data), func(r rune) bool { return r == 0 })
	all, err := Names(dir)
	if err != nil {
		return "", err
	}
	profiles := make([]*Profile, len(all))
	for i, name := range all {
		if profiles[i], err = loadProfile(name, dir); err != nil {
			return "", err
		}
	}
	for _, c := range compatible {
		var found []string
		for _, p := range profiles {
			if slices.Contains(p.Compatible, c) {
				found = append(found, p.Name)
			}
		}
		switch len(found) {
		case 0:
		case 1:
			return found[0], nil
		default:
			return "", fmt.Errorf("board: %w: %s are for %q; name one of them instead of %q", ErrUndetected, list(found), c, Auto)
		}
	}
	return "", fmt.Errorf("board: %w: %s; name a profile instead of %q, there are %s", ErrUndetected, list(compatible), Auto, list(all))
}
