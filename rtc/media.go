package rtc

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"slices"
	"sync"
	"time"

	"github.com/pion/ice/v4"
	"github.com/pion/interceptor"
	"github.com/pion/transport/v5"
	"github.com/pion/webrtc/v4"

	"intercom/call"
)

// ErrClosed is returned by NewSession after Media.Close.
var ErrClosed = errors.New("rtc: media is closed")

// ICEServer is one STUN or TURN server.
type ICEServer struct {
	URL                string // "stun:host:port", "turn:host:port?transport=udp" or tcp, "turns:host:port" over TLS, or over DTLS with ?transport=udp (RFC 7064, RFC 7065)
	Username, Password string // TURN only
}

// Config is what all sessions of one Media share. The zero value works on a
// LAN: host candidates of all interfaces, no servers, no log.
type Config struct {
	ICEServers []ICEServer
	// Interfaces names the network interfaces to use; empty: all. Two stations
	// on one machine do not reach each other through a chosen one but "lo".
	Interfaces []string
	// IncludeLoopback offers the loopback addresses too: for two stations on
	// one machine without a network, as in tests and the demo.
	IncludeLoopback bool
	Log             *slog.Logger // nil: discard
}

// timing is how fast a session notices things; tests shorten it.
type timing struct {
	disconnected time.Duration // silence of the peer until its path counts as lost
	keepAlive    time.Duration // between STUN checks of the path in use; also how often silence is looked at
	restart      time.Duration // an ICE restart that takes longer is a lost path
	gather       time.Duration // no host candidate for so long: describe without one
	settle       time.Duration // no new candidate for so long: describe what there is
	flush        time.Duration // Close waits at most so long for sent messages to arrive
	report       time.Duration // between RTCP reports
	debounce     time.Duration // quiet after network events before looking
}

// A lost path must be noticed within 2 s (call.SessionLost): 1.4 s of silence,
// looked for each 0.5 s. Within the silence fit two lost checks, and voice
// counts as being heard.
func defaultTiming() timing {
	return timing{
		disconnected: 1400 * time.Millisecond,
		keepAlive:    500 * time.Millisecond,
		restart:      2 * time.Second,
		gather:       200 * time.Millisecond,
		settle:       10 * time.Millisecond,
		flush:        200 * time.Millisecond,
		report:       time.Second,
		debounce:     250 * time.Millisecond,
	}
}

// Head starts of direct paths over those through servers. A peer-reflexive
// candidate is a host on our own network whose candidate line is late: no
// wait (pion's default of 1 s was seen as a second of set-up time). srflx and
// relay get less than pion's 0.5 and 2 s: set-up runs while the bell rings.
const (
	prflxWait = 0
	srflxWait = 100 * time.Millisecond
	relayWait = 500 * time.Millisecond
)

const (
	opusPayloadType = 111 // offered; the answerer follows the offer
	sctpBuffer      = 256 << 10
	// A pair that is not answered is tried for 30 s (150 checks, 200 ms
	// apart): the peer starts only when its SDP came through the broker.
	maxChecks         = 150
	dtlsRetransmit    = 100 * time.Millisecond // doubles; RFC 9147 section 5.8.2 leaves it to LANs to go below 1 s
	sctpMaxRetransmit = time.Second            // so messages flow soon after a lost path is back
)

// Media makes sessions that share one certificate and one configuration. Its
// methods may be called from any goroutine.
type Media struct {
	log    *slog.Logger
	api    *webrtc.API
	config webrtc.Configuration
	now    func() time.Time
	timing timing
	watch  *watch // nil: network changes are not noticed
	hurry  func() // ends what waits for a server's name or connection

	mu       sync.Mutex
	closed   bool
	sessions map[*Session]struct{}
}

var _ call.Media = (*Media)(nil)

// New checks the configuration and starts to watch the network. Close it.
func New(cfg Config) (*Media, error) {
	return newMedia(cfg, defaultTiming(), nil)
}

// newMedia is New with a test's timing and network (nil: the real one).
func newMedia(cfg Config, t timing, network transport.Net) (*Media, error) {
	log := cfg.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	cert, err := newCertificate()
	if err != nil {
		return nil, fmt.Errorf("rtc: make the DTLS certificate: %w", err)
	}
	ctx, hurry := context.WithCancel(context.Background())
	m := &Media{
		log:      log,
		hurry:    hurry,
		now:      time.Now,
		timing:   t,
		sessions: map[*Session]struct{}{},
		config:   webrtc.Configuration{Certificates: []webrtc.Certificate{*cert}},
	}
	for _, s := range cfg.ICEServers {
		m.config.ICEServers = append(m.config.ICEServers, webrtc.ICEServer{
			URLs: []string{s.URL}, Username: s.Username, Credential: s.Password,
		})
	}
	use := func(name string) bool {
		return len(cfg.Interfaces) == 0 || slices.Contains(cfg.Interfaces, name)
	}
	engine := settings(t, log)
	engine.SetInterfaceFilter(use)
	engine.SetIncludeLoopbackCandidate(cfg.IncludeLoopback)
	interfaces := &listing{}
	if network == nil {
		network = newHostNet(ctx, cfg.Interfaces, interfaces, log)
	}
	engine.SetNet(network)
	codecs := &webrtc.MediaEngine{}
	if err := codecs.RegisterCodec(webrtc.RTPCodecParameters{
		RTPCodecCapability: opus(), PayloadType: opusPayloadType,
	}, webrtc.RTPCodecTypeAudio); err != nil {
		return nil, fmt.Errorf("rtc: register Opus: %w", err)
	}
	m.api = webrtc.NewAPI(
		webrtc.WithSettingEngine(engine),
		webrtc.WithMediaEngine(codecs),
		webrtc.WithInterceptorRegistry(&interceptor.Registry{}),
	)
	// A first peer connection proves servers and certificate here, and not
	// when somebody rings.
	pc, err := m.api.NewPeerConnection(m.config)
	if err != nil {
		return nil, fmt.Errorf("rtc: configuration refused, check the ICE server URLs and passwords: %w", err)
	}
	if err := pc.GracefulClose(); err != nil {
		return nil, fmt.Errorf("rtc: close the trial connection: %w", err)
	}
	m.watch, err = newWatch(log, t.debounce, use, interfaces.change, m.networkChanged)
	if err != nil {
		log.Warn("rtc: network changes will only be noticed by lost paths", "err", err)
	}
	return m, nil
}

func settings(t timing, log *slog.Logger) webrtc.SettingEngine {
	var e webrtc.SettingEngine
	e.LoggerFactory = logFactory{log}
	e.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeUDP4, webrtc.NetworkTypeUDP6})
	e.DisableActiveTCP(true)
	e.SetICEMulticastDNSMode(ice.MulticastDNSModeDisabled)
	e.SetPrflxAcceptanceMinWait(prflxWait)
	e.SetSrflxAcceptanceMinWait(srflxWait)
	e.SetRelayAcceptanceMinWait(relayWait)
	// ICE itself never gives up (failed timeout 0): the grace of a lost path
	// is package call's.
	e.SetICETimeouts(t.disconnected, 0, t.keepAlive)
	e.SetICEMaxBindingRequests(maxChecks)
	e.SetDTLSRetransmissionInterval(dtlsRetransmit)
	e.SetSCTPMaxMessageSize(maxMessage)
	e.SetSCTPMaxReceiveBufferSize(sctpBuffer)
	e.SetSCTPRTOMax(sctpMaxRetransmit)
	// A closing peer ends our session by its data channel, in order after the
	// last message; pion would close everything behind our back.
	e.DisableCloseByDTLS(true)
	e.SetFireOnTrackBeforeFirstRTP(true)
	return e
}

// opus is the only codec (RFC 7587: always 48000/2 in SDP, whatever is sent).
func opus() webrtc.RTPCodecCapability {
	return webrtc.RTPCodecCapability{
		MimeType: webrtc.MimeTypeOpus, ClockRate: sampleRate, Channels: 2,
		SDPFmtpLine: "minptime=10;useinbandfec=1",
	}
}

// newCertificate is valid at any time: peers trust its fingerprint, not its
// dates, and a board without a battery clock jumps from 1970 to today. pion's
// own would expire after a month of uptime.
func newCertificate() (*webrtc.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, err
	}
	return webrtc.NewCertificate(key, x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: "intercom"},
		NotBefore:    time.Unix(0, 0),
		NotAfter:     time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC), // RFC 5280 section 4.1.2.5
	})
}

// NewSession makes a session that waits for Offer or AcceptOffer. It does not
// block on the network. Event and Frame must be set.
func (m *Media) NewSession(cfg call.SessionConfig) (call.Session, error) {
	if cfg.Event == nil || cfg.Frame == nil {
		return nil, errors.New("rtc: new session: Event and Frame must be set")
	}
	s, err := newSession(m, cfg)
	if err != nil {
		return nil, fmt.Errorf("rtc: new session with %v: %w", cfg.Peer, err)
	}
	m.mu.Lock()
	closed := m.closed
	if !closed {
		m.sessions[s] = struct{}{}
	}
	m.mu.Unlock()
	if closed {
		_ = s.Close()
		return nil, ErrClosed
	}
	return s, nil
}

func (m *Media) forget(s *Session) {
	m.mu.Lock()
	delete(m.sessions, s)
	m.mu.Unlock()
}

func (m *Media) open() []*Session {
	m.mu.Lock()
	defer m.mu.Unlock()
	open := make([]*Session, 0, len(m.sessions))
	for s := range m.sessions {
		open = append(open, s)
	}
	return open
}

func (m *Media) networkChanged() {
	for _, s := range m.open() {
		s.netChanged.Store(true)
		s.poke()
	}
}

// Close closes all sessions and waits for everything that New and NewSession
// started. Idempotent; not to be called from inside Event.
func (m *Media) Close() error {
	m.mu.Lock()
	m.closed = true
	m.mu.Unlock()
	m.hurry()
	var wg sync.WaitGroup
	for _, s := range m.open() {
		wg.Go(func() { _ = s.Close() })
	}
	wg.Wait()
	m.watch.close()
	return nil
}
