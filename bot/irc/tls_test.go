package irc

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"pushtrain/bot/ircd"
)

// secure puts TLS in front of addr and returns its address and the config that
// trusts it.
func secure(t *testing.T, addr string) (string, *tls.Config) {
	t.Helper()
	web := httptest.NewTLSServer(nil) // for its certificate only
	t.Cleanup(web.Close)
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: web.TLS.Certificates})
	if err != nil {
		t.Fatal(err)
	}
	var ended sync.WaitGroup
	ended.Go(func() {
		for {
			in, err := listener.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", addr)
			if err != nil {
				_ = in.Close()
				return
			}
			pass := func(to, from net.Conn) {
				_, _ = io.Copy(to, from) // ends with either link
				_ = to.Close()
				_ = from.Close()
			}
			ended.Go(func() { pass(out, in) })
			ended.Go(func() { pass(in, out) })
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		ended.Wait()
	})
	roots := x509.NewCertPool()
	roots.AddCert(web.Certificate())
	return listener.Addr().String(), &tls.Config{RootCAs: roots}
}

func TestTLS(t *testing.T) {
	server := listen(t, ircd.Options{})
	addr, trusting := secure(t, server.Addr())

	r := open(t, addr, func(c *Config) { c.TLS = trusting })
	next[Online](r, nil)
	server.Drop()
	next[Offline](r, nil)
	next[Online](r, nil)
	r.stop()

	r = open(t, addr, func(c *Config) { c.TLS = &tls.Config{} })
	if e := next[Offline](r, nil); !strings.Contains(e.Err.Error(), "TLS handshake") {
		t.Errorf("a server that is not trusted: %v", e.Err)
	}
	r.stop()

	r = open(t, server.Addr(), func(c *Config) { c.TLS = trusting })
	if e := next[Offline](r, nil); !strings.Contains(e.Err.Error(), "TLS handshake") {
		t.Errorf("a server without TLS: %v", e.Err)
	}
}
