package main

import (
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// verdict is what Certificate.Verify came to. Kind is the Go type of the error, with its reason where it has one.
type verdict struct {
	Case   string `json:"case"`
	Kind   string `json:"kind"`
	Error  string `json:"error,omitempty"`
	Chains int    `json:"chains,omitempty"`
}

func judgeVerify(w *world, line []byte) (any, error) {
	var c struct {
		Case          string    `json:"case"`
		Leaf          string    `json:"leaf"`
		Intermediates []string  `json:"intermediates"`
		Roots         []string  `json:"roots"`
		Name          string    `json:"name"`
		At            time.Time `json:"at"`
	}
	if err := json.Unmarshal(line, &c); err != nil {
		return nil, err
	}
	leaf, err := w.certificate(c.Leaf)
	if err != nil {
		return nil, err
	}
	intermediates, err := w.pool(c.Intermediates)
	if err != nil {
		return nil, err
	}
	roots, err := w.pool(c.Roots)
	if err != nil {
		return nil, err
	}
	chains, err := leaf.Verify(x509.VerifyOptions{
		DNSName:       c.Name,
		Intermediates: intermediates,
		Roots:         roots,
		CurrentTime:   c.At,
		KeyUsages:     []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	})
	if err != nil {
		return verdict{Case: c.Case, Kind: kind(err), Error: err.Error()}, nil
	}
	return verdict{Case: c.Case, Kind: "trusted", Chains: len(chains)}, nil
}

func (w *world) certificate(id string) (*x509.Certificate, error) {
	der, known := w.certificates[id]
	if !known {
		return nil, fmt.Errorf("no certificate %q", id)
	}
	return x509.ParseCertificate(der)
}

func (w *world) pool(ids []string) (*x509.CertPool, error) {
	pool := x509.NewCertPool()
	for _, id := range ids {
		cert, err := w.certificate(id)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", id, err)
		}
		pool.AddCert(cert)
	}
	return pool, nil
}

var invalidReasons = map[x509.InvalidReason]string{
	x509.NotAuthorizedToSign:           "NotAuthorizedToSign",
	x509.Expired:                       "Expired",
	x509.CANotAuthorizedForThisName:    "CANotAuthorizedForThisName",
	x509.TooManyIntermediates:          "TooManyIntermediates",
	x509.IncompatibleUsage:             "IncompatibleUsage",
	x509.NameMismatch:                  "NameMismatch",
	x509.CANotAuthorizedForExtKeyUsage: "CANotAuthorizedForExtKeyUsage",
	x509.NoValidChains:                 "NoValidChains",
}

func kind(err error) string {
	var invalid x509.CertificateInvalidError
	if errors.As(err, &invalid) {
		return "CertificateInvalidError/" + invalidReasons[invalid.Reason]
	}
	return fmt.Sprintf("%T", err)
}
