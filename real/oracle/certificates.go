package main

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net"
	"net/url"
	"time"
)

// certificateFacts is what Go reads in a certificate, or the error with which it refuses it.
type certificateFacts struct {
	Case       string   `json:"case"`
	Error      string   `json:"error,omitempty"`
	Version    int      `json:"version,omitempty"`
	Serial     string   `json:"serial,omitempty"`
	Subject    string   `json:"subject,omitempty"`
	Issuer     string   `json:"issuer,omitempty"`
	CommonName string   `json:"commonName,omitempty"`
	Orgs       []string `json:"organizations,omitempty"`
	NotBefore  string   `json:"notBefore,omitempty"`
	NotAfter   string   `json:"notAfter,omitempty"`
	DNS        []string `json:"dns,omitempty"`
	IPs        []string `json:"ips,omitempty"`
	Emails     []string `json:"emails,omitempty"`
	URIs       int      `json:"uris,omitempty"`
	KeyUsage   int      `json:"keyUsage,omitempty"`
	Usages     []string `json:"usages,omitempty"`
	Basic      bool     `json:"basicConstraints,omitempty"`
	IsCA       bool     `json:"isCA,omitempty"`
	PathLength *int     `json:"pathLength,omitempty"`
	SubjectKey string   `json:"subjectKeyId,omitempty"`
	Authority  string   `json:"authorityKeyId,omitempty"`
	Unhandled  []string `json:"unhandled,omitempty"`
	Key        string   `json:"key,omitempty"`
	Algorithm  string   `json:"algorithm,omitempty"`
}

func judgeCertificate(w *world, line []byte) (any, error) {
	var c struct {
		Case  string `json:"case"`
		DER   []byte `json:"der"`
		Facts bool   `json:"facts"`
	}
	if err := json.Unmarshal(line, &c); err != nil {
		return nil, err
	}
	if _, known := w.certificates[c.Case]; known {
		return nil, fmt.Errorf("%s: defined twice", c.Case)
	}
	w.certificates[c.Case] = c.DER
	cert, err := x509.ParseCertificate(c.DER)
	if err != nil {
		return certificateFacts{Case: c.Case, Error: err.Error()}, nil
	}
	if !c.Facts {
		return struct {
			Case string `json:"case"`
		}{c.Case}, nil
	}
	facts := certificateFacts{
		Case:       c.Case,
		Version:    cert.Version,
		Serial:     cert.SerialNumber.String(),
		Subject:    cert.Subject.String(),
		Issuer:     cert.Issuer.String(),
		CommonName: cert.Subject.CommonName,
		Orgs:       cert.Subject.Organization,
		NotBefore:  cert.NotBefore.Format(time.RFC3339),
		NotAfter:   cert.NotAfter.Format(time.RFC3339),
		DNS:        cert.DNSNames,
		IPs:        ipTexts(cert.IPAddresses),
		Emails:     cert.EmailAddresses,
		URIs:       len(cert.URIs),
		KeyUsage:   int(cert.KeyUsage),
		Basic:      cert.BasicConstraintsValid,
		IsCA:       cert.IsCA,
		SubjectKey: hex.EncodeToString(cert.SubjectKeyId),
		Authority:  hex.EncodeToString(cert.AuthorityKeyId),
		Key:        keyText(cert.PublicKey),
		Algorithm:  cert.SignatureAlgorithm.String(),
	}
	if cert.BasicConstraintsValid && cert.MaxPathLen >= 0 {
		facts.PathLength = &cert.MaxPathLen
	}
	for _, usage := range cert.ExtKeyUsage {
		facts.Usages = append(facts.Usages, usage.String())
	}
	for _, usage := range cert.UnknownExtKeyUsage {
		facts.Usages = append(facts.Usages, usage.String())
	}
	for _, oid := range cert.UnhandledCriticalExtensions {
		facts.Unhandled = append(facts.Unhandled, oid.String())
	}
	return facts, nil
}

// judgeRow says of a certificate what a row of `certs` says of it. Go refuses none of them.
func judgeRow(_ *world, line []byte) (any, error) {
	var der []byte
	if err := json.Unmarshal(line, &der); err != nil {
		return nil, err
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	return map[string]string{
		"notBefore": cert.NotBefore.UTC().Format(time.RFC3339),
		"notAfter":  cert.NotAfter.UTC().Format(time.RFC3339),
		"issuer":    cert.Issuer.String(),
		"sha256":    fmt.Sprintf("%x", sha256.Sum256(cert.Raw)),
	}, nil
}

func keyText(key any) string {
	switch key := key.(type) {
	case *rsa.PublicKey:
		return fmt.Sprintf("RSA %d", key.N.BitLen())
	case *ecdsa.PublicKey:
		return "ECDSA " + key.Curve.Params().Name
	case ed25519.PublicKey:
		return "Ed25519"
	case nil:
		return "unknown"
	}
	return "DSA"
}

func ipTexts(ips []net.IP) []string {
	var texts []string
	for _, ip := range ips {
		texts = append(texts, ip.String())
	}
	return texts
}

func urlTexts(uris []*url.URL) []string {
	var texts []string
	for _, uri := range uris {
		texts = append(texts, uri.String())
	}
	return texts
}
