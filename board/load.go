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

	"intercom/internal/durable"
	"intercom/internal/stricttoml"
)

//go:embed profiles/*.toml
var builtin embed.FS

const (
	extension = ".toml"
	// maxProfiles bounds a folder of profiles.
	maxProfiles = 256
	// Auto is the profile of the board that this program runs on.
	Auto = "auto"
)

// Errors of Load.
var (
	ErrUnknown      = errors.New("no such board profile")
	ErrUnknownSound = errors.New("no such sound choice")
)

// Selection says which board this is. Its zero value is no board.
type Selection struct {
	Profile string // name of a profile, or Auto
	Sound   string // name of a sound choice; "" for the board's
	Card    string // ALSA card, instead of the sound's; "" for that
	Dir     string // folder with more profiles and sound choices; "" for none
}

// Names returns the names of all profiles, sorted: those built in and those in
// dir, which may be "" for none. A name that is in both is an error, as a file
// that silently takes the place of a board's own would be hard to find.
func Names(dir string) ([]string, error) { return names(dir, isProfile) }

// Sounds returns the names of all sound choices, as Names does of profiles.
func Sounds(dir string) ([]string, error) { return names(dir, isSound) }

func isSound(file string) (string, bool) { return strings.CutSuffix(file, soundExtension) }

func isProfile(file string) (string, bool) {
	if _, sound := isSound(file); sound {
		return "", false
	}
	return strings.CutSuffix(file, extension)
}

func names(dir string, named func(string) (string, bool)) ([]string, error) {
	own, err := builtin.ReadDir("profiles")
	if err != nil {
		return nil, fmt.Errorf("board: list built-in profiles: %w", err)
	}
	var found []string
	for _, f := range own {
		if name, ok := named(f.Name()); ok {
			found = append(found, name)
		}
	}
	slices.Sort(found) // with the ending the order is another
	if dir == "" {
		return found, nil
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("board: list profiles: %w; correct profile_dir, or remove it", err)
	}
	for _, e := range entries {
		name, ok := named(e.Name())
		if !ok || e.IsDir() {
			continue
		}
		if slices.Contains(found, name) {
			return nil, fmt.Errorf("board: profile %s is built in; give %s another name", name, filepath.Join(dir, e.Name()))
		}
		if len(found) == maxProfiles {
			return nil, fmt.Errorf("board: over %d profiles in %s; remove some", maxProfiles, dir)
		}
		found = append(found, name)
	}
	slices.Sort(found)
	return found, nil
}

// Load reads a board's profile and its sound, from s.Dir or the built-in ones.
// If there is none of a name the error is an ErrUnknown or ErrUnknownSound and
// lists what there is; if a file has faults it is a *stricttoml.Problems.
func Load(s Selection) (*Profile, error) { return load(s, os.DirFS("/")) }

func load(s Selection, root fs.FS) (*Profile, error) {
	if s.Profile == Auto {
		found, err := Detect(root, s.Dir)
		if err != nil {
			return nil, err
		}
		s.Profile = found
	}
	p, err := loadProfile(s.Profile, s.Dir)
	if err != nil {
		return nil, err
	}
	name := s.Sound
	if name == "" {
		name = p.DefaultSound
	}
	if name != "" {
		choice, err := LoadSound(name, s.Dir)
		if err != nil {
			return nil, err
		}
		if err := p.use(choice); err != nil {
			return nil, err
		}
	}
	if s.Card != "" {
		if p.Simulated {
			return nil, fmt.Errorf("board: %s is simulated and has no sound card; remove card = %q", p.Name, s.Card)
		}
		p.Sound.Card = s.Card
	}
	return p, nil
}

// Source returns the text of a profile or sound choice.
func Source(name, dir string) ([]byte, error) {
	_, text, err := read(name, dir, extension, isProfile, ErrUnknown)
	if errors.Is(err, ErrUnknown) {
		var soundErr error
		if _, text, soundErr = read(name, dir, soundExtension, isSound, ErrUnknownSound); soundErr != nil {
			return nil, errors.Join(err, soundErr)
		}
		return text, nil
	}
	return text, err
}

// LoadSound reads a sound choice by name, from dir (which may be "") or the
// built-in ones. Its errors are those of Load.
func LoadSound(name, dir string) (*SoundChoice, error) {
	file, data, err := read(name, dir, soundExtension, isSound, ErrUnknownSound)
	if err != nil {
		return nil, err
	}
	return ParseSound(file, data)
}

func loadProfile(name, dir string) (*Profile, error) {
	file, data, err := read(name, dir, extension, isProfile, ErrUnknown)
	if err != nil {
		return nil, err
	}
	return Parse(file, data)
}

// read returns the file of a name.
func read(name, dir, ext string, named func(string) (string, bool), unknown error) (string, []byte, error) {
	all, err := names(dir, named)
	if err != nil {
		return "", nil, err
	}
	if !slices.Contains(all, name) {
		hint := ""
		if best := stricttoml.Nearest(name, all); best != "" {
			hint = fmt.Sprintf("did you mean %s? ", best)
		}
		return "", nil, fmt.Errorf("board: %w: %q; %sthere are %s", unknown, name, hint, list(all))
	}
	file := path.Join("profiles", name+ext)
	var f fs.File
	if f, err = builtin.Open(file); err != nil {
		file = filepath.Join(dir, name+ext)
		if f, err = durable.Open(file); err != nil {
			return "", nil, fmt.Errorf("board: profile %s: %w", name, err)
		}
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, stricttoml.MaxSize+1))
	if err != nil {
		return "", nil, fmt.Errorf("board: profile %s: read: %w", name, err)
	}
	return file, data, nil
}
