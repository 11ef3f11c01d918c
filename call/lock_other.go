//go:build !linux

package call

import (
	"errors"
	"io/fs"
	"os"
	"time"
)

var errNoJournal = errors.New("the call journal needs Linux")

const openFlags = 0

func lockFile(*os.File) error                               { return errNoJournal }
func unlockFile(*os.File) error                             { return errNoJournal }
func ownedByMe(fs.FileInfo) bool                            { return false }
func bootTime() (boot string, now time.Duration, err error) { return "", 0, errNoJournal }
func isRefused(error) bool                                  { return false }
