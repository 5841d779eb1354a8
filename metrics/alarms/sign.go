package alarms

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"greencommunity/ingest/durable"
)

// A signed link lets one person deal with one alarm until a time, without a login: it
// goes out in messages to phones. Whoever has it is that person, as whoever reads their
// messages is.

const keyBytes = 32

// linkKey reads the key of links, and makes it at the first start. To make all links
// void, remove the file and restart.
func linkKey(dir string) ([]byte, error) {
	path := filepath.Join(dir, "links.key")
	key, err := os.ReadFile(path)
	if err == nil {
		if len(key) != keyBytes {
			return nil, fmt.Errorf("%s: %d bytes are no key; remove it, and a new one is made (links sent so far become void)", path, len(key))
		}
		return key, nil
	}
	if !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	key = make([]byte, keyBytes)
	_, _ = rand.Read(key) // never fails
	f, err := os.CreateTemp(dir, "new-*")
	if err != nil {
		return nil, err
	}
	_, err = f.Write(key)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return nil, errors.Join(err, os.Remove(f.Name()))
	}
	return key, errors.Join(os.Rename(f.Name(), path), durable.Dir(dir))
}

func (d *Desk) sign(id, who, until string) []byte {
	h := hmac.New(sha256.New, d.key)
	for _, part := range []string{"alarm link 1", id, who, until} {
		fmt.Fprintf(h, "%d:%s,", len(part), part)
	}
	return h.Sum(nil)[:18]
}

// Link returns a link with which a person deals with an alarm for as long as the
// configuration says.
func (d *Desk) Link(id, who string, now time.Time) string {
	d.mu.Lock()
	base, valid := d.config.PublicURL, time.Duration(d.config.LinkValid)
	d.mu.Unlock()
	// A whole hour, so that the same message twice has the same link.
	until := strconv.FormatInt(now.Add(valid).Truncate(time.Hour).Add(time.Hour).Unix(), 10)
	q := url.Values{"who": {who}, "until": {until}, "sign": {base64.RawURLEncoding.EncodeToString(d.sign(id, who, until))}}
	return base + "/alarm/" + id + "?" + q.Encode()
}

// Errors of a link.
var (
	ErrForged  = errors.New("the link is not one of ours, or was cut off on the way")
	ErrExpired = errors.New("the link has expired")
)

// Verify returns who a link is of, from its query.
func (d *Desk) Verify(id string, q url.Values, now time.Time) (who string, err error) {
	who, until := q.Get("who"), q.Get("until")
	sign, err := base64.RawURLEncoding.DecodeString(q.Get("sign"))
	if err != nil || who == "" || !hmac.Equal(sign, d.sign(id, who, until)) {
		return "", ErrForged
	}
	seconds, err := strconv.ParseInt(until, 10, 64)
	if err != nil {
		return "", ErrForged
	}
	if now.After(time.Unix(seconds, 0)) {
		return who, ErrExpired
	}
	return who, nil
}
