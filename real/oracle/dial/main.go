// Dial asks each address for its metrics as metrics-server does, and prints how Go's client words the failure.
//
//	dial ADDRESS...   one JSON line each: {"address": ..., "text": ...}
//
// Verification is off, so that what is seen is the handshake and not the certificate. Standard library only.
package main

import (
	"crypto/tls"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/url"
	"os"
	"time"
)

func main() {
	client := http.Client{Transport: &http.Transport{
		DialContext:         (&net.Dialer{Timeout: 2 * time.Second}).DialContext,
		TLSClientConfig:     &tls.Config{InsecureSkipVerify: true},
		TLSHandshakeTimeout: 2 * time.Second,
	}}
	out := json.NewEncoder(os.Stdout)
	out.SetEscapeHTML(false)
	for _, address := range os.Args[1:] {
		text := "none"
		answer, err := client.Get("https://" + address + "/metrics/resource")
		var wrapped *url.Error
		switch {
		case err == nil:
			answer.Body.Close()
		case errors.As(err, &wrapped):
			text = wrapped.Err.Error()
		default:
			text = err.Error()
		}
		if err := out.Encode(map[string]string{"address": address, "text": text}); err != nil {
			panic(err)
		}
	}
}
