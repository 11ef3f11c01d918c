package board

import (
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"intercom/internal/stricttoml"
)

//go:embed profiles/*.toml
var builtin embed.FS

const (
	extension = ".toml"
	// maxProfiles bounds a folder of profiles.
	maxProfiles = 256
)

// ErrUnknown is in the error of Load for a name that no profile has.
var ErrUnknown = errors.New("no such board profile")

// Names returns the names of all profiles, sorted: those built in and those in
// dir, which may be "" for none. A name that is in both is an error, as a file
// that silently takes the place of a board's own would be hard to find.
func Names(dir string) ([]string, error) {
	own, err := fs.Glob(builtin, "profiles/*"+extension)
	if err != nil {
		return nil, fmt.Errorf("board: list built-in profiles: %w", err)
	}
	names := make([]string, len(own))
	for i, f := range own {
		names[i] = strings.TrimSuffix(path.Base(f), extension)
	}
	if dir == "" {
		return names, nil
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("board: list profiles: %w; correct profile_dir, or remove it", err)
	}
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), extension)
		if !ok || e.IsDir() {
			continue
		}
		if slices.Contains(names, name) {
			return nil, fmt.Errorf("board: profile %s is built in; give %s another name", name, filepath.Join(dir, e.Name()))
		}
		if len(names) == maxProfiles {
			return nil, fmt.Errorf("board: over %d profiles in %s; remove some", maxProfiles, dir)
		}
		names = append(names, name)
	}
	slices.Sort(names)
	return names, nil
}

// Load reads a profile by name, from dir (which may be "") or the built-in
// ones. If there is none of that name the error is an ErrUnknown and lists
// what there is; if it has faults it is a *stricttoml.Problems.
func Load(name, dir string) (*Profile, error) {
	names, err := Names(dir)
	if err != nil {
		return nil, err
	}
	if !slices.Contains(names, name) {
		hint := ""
		if best := stricttoml.Nearest(name, names); best != "" {
			hint = fmt.Sprintf("did you mean %s? ", best)
		}
		return nil, fmt.Errorf("board: %w: %q; %sthere are %s", ErrUnknown, name, hint, list(names))
	}
	file := path.Join("profiles", name+extension)
	f, err := builtin.Open(file)
	if err != nil {
		file = filepath.Join(dir, name+extension)
		if f, err = os.Open(file); err != nil {
			return nil, fmt.Errorf("board: profile %s: %w", name, err)
		}
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, stricttoml.MaxSize+1))
	if err != nil {
		return nil, fmt.Errorf("board: profile %s: read: %w", name, err)
	}
	return Parse(file, data)
}
