package irc

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strings"
	"syscall"
	"time"
	"unicode"

	"github.com/rs/zerolog"

	"pushtrain/train"
)

// Why a link can't be had, as far as [Cure] knows more than the reason.
var (
	errNoSASL    = errors.New("the server offers no SASL login: it has no accounts, or services are down")
	errLoggedOut = errors.New("the server has logged the bot out")
)

// handshakeError is a link that TLS does not secure.
type handshakeError struct{ error }

func (e *handshakeError) Error() string {
	if errors.Is(e.error, context.DeadlineExceeded) {
		return fmt.Sprintf("TLS handshake: no answer for %v", handshakeLimit)
	}
	return "TLS handshake: " + e.error.Error()
}

func (e *handshakeError) Unwrap() error { return e.error }

// loginError is a SASL login that the server refuses.
type loginError struct{ said string }

func (e *loginError) Error() string { return "the SASL login is refused: " + e.said }

// passwordError is a server that wants another password of its own.
type passwordError struct{ said string }

func (e *passwordError) Error() string { return "the server's password is wrong: " + e.said }

// WantsTLS is a server that is reached in plain text and asks for TLS. The next try
// goes there.
type WantsTLS struct{ Port int } // 0 = it does not say where, and nothing is tried but this

func (e *WantsTLS) Error() string {
	if e.Port == 0 {
		return "the server asks for TLS (STS), and names no port for it"
	}
	return fmt.Sprintf("the server asks for TLS (STS): the link goes to its port %d, and back to plain text no more", e.Port)
}

// Cure is what to do about the reason of an Offline, in words of the configuration;
// "" when the reason says all.
func Cure(err error) string {
	var (
		shake   *handshakeError
		login   *loginError
		pass    *passwordError
		sts     *WantsTLS
		unknown x509.UnknownAuthorityError
		name    x509.HostnameError
		invalid x509.CertificateInvalidError
		plain   tls.RecordHeaderError
		alert   *net.OpError
	)
	switch {
	case errors.As(err, &unknown):
		return "irc.ca_file has to hold the certificate of the authority that has signed the server's, or of a self-signed server itself"
	case errors.As(err, &name):
		return "irc.server has to call the server as its certificate does"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "have the server's certificate renewed; if it is a good one, this machine's clock is wrong"
	case errors.As(err, &plain):
		return "there is no TLS on this port: irc.server has to name the one for TLS, 6697 as a rule"
	case errors.As(err, &alert) && alert.Op == "remote error": // so crypto/tls calls an alert
		return "the server does not take the bot's certificate: look at irc.cert_file and irc.key_file"
	case errors.As(err, &shake):
		return "look at whether irc.server names the port for TLS, 6697 as a rule"
	case errors.As(err, &login):
		return "look at irc.sasl: plain needs the account's password in password_file; for external, services have to know the certificate in irc.cert_file (/msg NickServ CERT ADD)"
	case errors.As(err, &pass):
		return "irc.password_file has to hold the server's password"
	case errors.As(err, &sts) && sts.Port != 0:
		return fmt.Sprintf("write it into the configuration: port %d in irc.server, and no `tls: false`", sts.Port)
	case errors.As(err, &sts):
		return "irc.server has to name the port for TLS, 6697 as a rule, without `tls: false`"
	case errors.Is(err, errNoSASL):
		return "wait for services to come back; a server that has none can't be used with irc.sasl"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "nothing listens there: look at irc.server"
	}
	return ""
}

// trouble is why the bot is not in its channel, from one good stay to the next. The
// zero trouble is none. It belongs to Run's goroutine.
type trouble struct {
	tries int
	told  map[string]bool // reasons without their numbers
}

// maxReasons is how many reasons are remembered; a server may think of many.
const maxReasons = 32

// log writes down that a try has failed. Each reason is a warning once: the numbers
// in it, such as times and ports of our own, do not make it another.
func (t *trouble) log(log zerolog.Logger, err error, retry time.Duration) {
	t.tries++
	reason := train.Visible(err.Error())
	kind := strings.Map(func(r rune) rune {
		if unicode.IsDigit(r) {
			return -1
		}
		return r
	}, reason)
	event := log.Warn()
	if t.told[kind] {
		event = log.Debug()
	} else if t.told == nil || len(t.told) == maxReasons {
		t.told = make(map[string]bool)
	}
	t.told[kind] = true
	event.Int("try", t.tries).Str(zerolog.ErrorFieldName, reason).Dur("retry", retry)
	if cure := Cure(err); cure != "" {
		event.Str("cure", cure)
	}
	event.Msg("not in the channel")
}
