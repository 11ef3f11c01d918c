package station

import (
	"fmt"
	"log/slog"

	"intercom/call"
	"intercom/config"
	"intercom/mqttpush"
)

// openLink opens the way to the broker. It does not wait for one: state is
// told when the connection comes up or goes.
func openLink(cfg *config.Config, me *owner, state func(connected bool), log *slog.Logger) (*mqttpush.Transport, call.Sealer, error) {
	self := call.Address(me.self)
	t, err := mqttpush.New(mqttpush.Config{
		URL:            cfg.Broker.URL,
		CAFile:         cfg.Broker.CA,
		Now:            me.floor.Now,
		Self:           self,
		KeepAlive:      cfg.Broker.KeepAlive,
		ConnectTimeout: cfg.Broker.ConnectTimeout,
		Sealer:         me.sealer,
		Log:            log,
		OnState:        state,
		Alone:          true,
	})
	if err != nil {
		return nil, nil, fmt.Errorf("station: %w", err)
	}
	return t, mqttpush.NewSealer(me.sealer, me.verifier, me.key, self), nil
}
