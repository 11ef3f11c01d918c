package station

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"intercom/config"
)

func TestCheckState(t *testing.T) {
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	if err := os.WriteFile(in("file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(in("none"), in("link")); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		path string
		want error
	}{
		{dir, nil},
		{in("made/at/start"), nil},
		{in("file"), syscall.ENOTDIR},
		{in("file/state"), syscall.ENOTDIR},
		{in("link"), fs.ErrNotExist},
		{"/proc", syscall.ENOSPC}, // has no room for anybody
	} {
		err := CheckState(&config.Config{Station: config.Station{StateDir: tt.path}})
		denied := tt.path == "/proc" && errors.Is(err, fs.ErrPermission) // whoever is not root
		if !errors.Is(err, tt.want) && !denied {
			t.Errorf("%s: %v, want %v", tt.path, err, tt.want)
		}
		if err != nil && !strings.Contains(err.Error(), "; let this user write it") {
			t.Errorf("no remedy in %v", err)
		}
	}
	if _, err := os.Stat(in("made")); err == nil {
		t.Error("the folder was made")
	}
}
