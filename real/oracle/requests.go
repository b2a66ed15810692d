package main

import (
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"regexp"
)

// encoding/asn1 prints where a value of its own lies in memory, which is never the same twice.
var pointer = regexp.MustCompile(`0x[0-9a-f]{6,}`)

// requestFacts is what the API server and the signer read in spec.request: the first PEM block, as
// k8s.io/kubernetes/pkg/apis/certificates/v1.ParseCSR takes it. Refused says why they read nothing.
type requestFacts struct {
	Case      string   `json:"case"`
	Refused   string   `json:"refused,omitempty"`
	Signature string   `json:"signature,omitempty"`
	Subject   string   `json:"subject,omitempty"`
	DNS       []string `json:"dns,omitempty"`
	IPs       []string `json:"ips,omitempty"`
	Emails    []string `json:"emails,omitempty"`
	URIs      []string `json:"uris,omitempty"`
	Key       string   `json:"key,omitempty"`
}

func judgeRequest(_ *world, line []byte) (any, error) {
	var c struct {
		Case string `json:"case"`
		PEM  []byte `json:"pem"`
	}
	if err := json.Unmarshal(line, &c); err != nil {
		return nil, err
	}
	block, _ := pem.Decode(c.PEM)
	if block == nil || block.Type != "CERTIFICATE REQUEST" {
		return requestFacts{Case: c.Case, Refused: "PEM block type must be CERTIFICATE REQUEST"}, nil
	}
	csr, err := x509.ParseCertificateRequest(block.Bytes)
	if err != nil {
		return requestFacts{Case: c.Case, Refused: pointer.ReplaceAllString(err.Error(), "0x")}, nil
	}
	facts := requestFacts{
		Case:    c.Case,
		Subject: csr.Subject.String(),
		DNS:     csr.DNSNames,
		IPs:     ipTexts(csr.IPAddresses),
		Emails:  csr.EmailAddresses,
		URIs:    urlTexts(csr.URIs),
		Key:     keyText(csr.PublicKey),
	}
	if err := csr.CheckSignature(); err != nil {
		facts.Signature = err.Error()
	}
	return facts, nil
}
