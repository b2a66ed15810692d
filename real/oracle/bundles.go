package main

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
)

// bundleFacts is what pem.Decode finds in a file.
type bundleFacts struct {
	Case   string       `json:"case"`
	Blocks []blockFacts `json:"blocks"`
	// Pool is whether CertPool.AppendCertsFromPEM takes anything from it.
	Pool bool `json:"pool"`
}

type blockFacts struct {
	Label   string `json:"label"`
	SHA256  string `json:"sha256"`
	Headers int    `json:"headers,omitempty"`
	Subject string `json:"subject,omitempty"`
	Error   string `json:"error,omitempty"`
}

func judgeBundle(_ *world, line []byte) (any, error) {
	var c struct {
		Case string `json:"case"`
		PEM  []byte `json:"pem"`
	}
	if err := json.Unmarshal(line, &c); err != nil {
		return nil, err
	}
	facts := bundleFacts{Case: c.Case, Blocks: []blockFacts{}}
	for rest := c.PEM; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		digest := sha256.Sum256(block.Bytes)
		found := blockFacts{
			Label:   block.Type,
			SHA256:  hex.EncodeToString(digest[:]),
			Headers: len(block.Headers),
		}
		if block.Type == "CERTIFICATE" {
			if cert, err := x509.ParseCertificate(block.Bytes); err != nil {
				found.Error = err.Error()
			} else {
				found.Subject = cert.Subject.String()
			}
		}
		facts.Blocks = append(facts.Blocks, found)
	}
	facts.Pool = x509.NewCertPool().AppendCertsFromPEM(c.PEM)
	return facts, nil
}
