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
func lockByte(*os.File, int64, byteLock) error              { return errNoJournal }
func byteTaken(*os.File, int64) (bool, error)               { return false, errNoJournal }
func isTaken(error) bool                                    { return false }
func ownedByMe(fs.FileInfo) bool                            { return false }
func bootTime() (boot string, now time.Duration, err error) { return "", 0, errNoJournal }
func isRefused(error) bool                                  { return false }
