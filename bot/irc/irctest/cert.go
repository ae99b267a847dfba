package irctest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// Authority is one that signs certificates.
type Authority struct {
	File string // its own certificate
	t    testing.TB
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// Cert is a certificate in files.
type Cert struct {
	CertFile, KeyFile string
	Fingerprint       string // SHA-256, in hex
}

// NewAuthority returns an authority of the test's own.
func NewAuthority(t testing.TB) *Authority {
	t.Helper()
	a := &Authority{t: t}
	cert := &x509.Certificate{Subject: pkix.Name{CommonName: "authority"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	a.File = a.sign(cert, time.Now()).CertFile
	return a
}

// Sign makes a certificate for a name or an address, which holds for a day from then on.
func (a *Authority) Sign(name string, from time.Time) Cert {
	a.t.Helper()
	cert := &x509.Certificate{Subject: pkix.Name{CommonName: name}, KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}}
	if ip := net.ParseIP(name); ip != nil {
		cert.IPAddresses = []net.IP{ip}
	} else {
		cert.DNSNames = []string{name}
	}
	return a.sign(cert, from)
}

// sign completes a certificate and writes it down; that of the authority itself signs itself.
func (a *Authority) sign(cert *x509.Certificate, from time.Time) Cert {
	a.t.Helper()
	fatal := func(err error) {
		if err != nil {
			a.t.Helper()
			a.t.Fatalf("make a certificate for %s: %v", cert.Subject.CommonName, err)
		}
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	fatal(err)
	cert.SerialNumber = big.NewInt(time.Now().UnixNano())
	cert.NotBefore, cert.NotAfter = from.Add(-time.Minute), from.Add(24*time.Hour)
	if a.cert == nil {
		a.cert, a.key = cert, key
	}
	body, err := x509.CreateCertificate(rand.Reader, cert, a.cert, key.Public(), a.key)
	fatal(err)
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	fatal(err)
	dir := a.t.TempDir()
	sum := sha256.Sum256(body)
	c := Cert{filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem"), hex.EncodeToString(sum[:])}
	fatal(os.WriteFile(c.CertFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: body}), 0o644))
	fatal(os.WriteFile(c.KeyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}), 0o600))
	return c
}
