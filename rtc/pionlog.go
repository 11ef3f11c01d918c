package rtc

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/pion/logging"
)

// logFactory sends pion's log to slog, one level down and without trace and
// debug: its warnings are mostly about packets of a closing session.
type logFactory struct{ log *slog.Logger }

func (f logFactory) NewLogger(scope string) logging.LeveledLogger {
	return pionLog{f.log, scope}
}

type pionLog struct {
	log   *slog.Logger
	scope string
}

func (l pionLog) put(level slog.Level, format string, args []any) {
	if !l.log.Enabled(context.Background(), level) {
		return
	}
	msg := format
	if len(args) > 0 {
		msg = fmt.Sprintf(format, args...)
	}
	l.log.Log(context.Background(), level, "pion: "+msg, "scope", l.scope)
}

func (l pionLog) Trace(string)              {}
func (l pionLog) Tracef(string, ...any)     {}
func (l pionLog) Debug(string)              {}
func (l pionLog) Debugf(string, ...any)     {}
func (l pionLog) Info(m string)             { l.put(slog.LevelDebug, m, nil) }
func (l pionLog) Infof(f string, a ...any)  { l.put(slog.LevelDebug, f, a) }
func (l pionLog) Warn(m string)             { l.put(slog.LevelDebug, m, nil) }
func (l pionLog) Warnf(f string, a ...any)  { l.put(slog.LevelDebug, f, a) }
func (l pionLog) Error(m string)            { l.put(slog.LevelInfo, m, nil) }
func (l pionLog) Errorf(f string, a ...any) { l.put(slog.LevelInfo, f, a) }
