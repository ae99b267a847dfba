package tell

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"pushtrain/bot"
)

// Webhook is an address that each entry of the deploy log is posted to, as /log.json
// shows it. Secret signs it; it may not be empty.
type Webhook struct {
	URL    string
	Secret string
}

// The headers of a delivery. Its id is the same at each try: who has seen it already
// may answer 200 and do nothing.
const (
	signatureHeader = "X-Pushtrain-Signature" // sha256= and the HMAC-SHA256 of the body in hex
	deliveryHeader  = "X-Pushtrain-Delivery"
)

// Sign returns the signature of a body.
func Sign(secret string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body)
	return "sha256=" + hex.EncodeToString(mac.Sum(nil))
}

func (h Webhook) receiver() *receiver {
	name := "a webhook"
	if u, err := url.Parse(h.URL); err == nil {
		name = "the webhook at " + u.Host // the rest may be a secret, as with chats
	}
	client := &http.Client{
		Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true},
		// What is signed for one address goes to no other.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return &receiver{
		name:  name,
		wants: func(bot.Entry) bool { return true },
		ready: func(e bot.Entry) func(context.Context) error {
			body, err := json.Marshal(e)
			if err != nil {
				panic(fmt.Sprintf("tell: %v", err)) // unreachable: an entry is plain data
			}
			id := make([]byte, 16)
			_, _ = rand.Read(id) // it never fails: see crypto/rand
			return func(ctx context.Context) error { return h.post(ctx, client, hex.EncodeToString(id), body) }
		},
	}
}

func (h Webhook) post(ctx context.Context, client *http.Client, id string, body []byte) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, h.URL, bytes.NewReader(body))
	if err != nil {
		return final{err}
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "pushtrain")
	req.Header.Set(deliveryHeader, id)
	req.Header.Set(signatureHeader, Sign(h.Secret, body))
	res, err := client.Do(req)
	if err != nil {
		if u, ok := err.(*url.Error); ok {
			err = u.Err // without the address
		}
		return err
	}
	defer res.Body.Close()
	_, _ = io.CopyN(io.Discard, res.Body, 64<<10) // what it says does not matter
	switch code := res.StatusCode; {
	case code/100 == 2:
		return nil
	case code >= 500, code == http.StatusTooManyRequests, code == http.StatusRequestTimeout:
		return fmt.Errorf("it answers %s", res.Status)
	default:
		return final{fmt.Errorf("it answers %s", res.Status)}
	}
}
