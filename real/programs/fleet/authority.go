package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// authority signs certificates as the cluster's signers do.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
	pem         []byte
}

// pair is a chain and its key, PEM.
type pair struct{ chain, key []byte }

func newAuthority(name string) (*authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := template(pkix.Name{CommonName: name})
	template.IsCA, template.BasicConstraintsValid = true, true
	template.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	certificate, err := x509.ParseCertificate(der)
	return &authority{certificate, key, block("CERTIFICATE", der)}, err
}

func template(subject pkix.Name) *x509.Certificate {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 63))
	if err != nil {
		panic(err) // never: crypto/rand does not fail
	}
	now := time.Now()
	return &x509.Certificate{
		SerialNumber: serial,
		Subject:      subject,
		NotBefore:    now.Add(-time.Hour),
		NotAfter:     now.Add(365 * 24 * time.Hour),
	}
}

func block(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

func (a *authority) sign(subject pkix.Name, usage x509.ExtKeyUsage, names []string, addresses []net.IP) (pair, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return pair{}, err
	}
	leaf := template(subject)
	leaf.BasicConstraintsValid = true
	leaf.KeyUsage = x509.KeyUsageDigitalSignature
	leaf.ExtKeyUsage = []x509.ExtKeyUsage{usage}
	leaf.DNSNames, leaf.IPAddresses = names, addresses
	der, err := x509.CreateCertificate(rand.Reader, leaf, a.certificate, key.Public(), a.key)
	if err != nil {
		return pair{}, err
	}
	inside, err := x509.MarshalECPrivateKey(key)
	return pair{block("CERTIFICATE", der), block("EC PRIVATE KEY", inside)}, err
}

// serving is what a server shows.
func (a *authority) serving(subject pkix.Name, names []string, addresses []net.IP) (*tls.Config, error) {
	made, err := a.sign(subject, x509.ExtKeyUsageServerAuth, names, addresses)
	if err != nil {
		return nil, err
	}
	shown, err := tls.X509KeyPair(made.chain, made.key)
	return &tls.Config{Certificates: []tls.Certificate{shown}, MinVersion: tls.VersionTLS12}, err
}

const kubeconfig = `apiVersion: v1
kind: Config
current-context: fleet
contexts: [{name: fleet, context: {cluster: fleet, user: account}}]
clusters: [{name: fleet, cluster: {server: %q, certificate-authority: %q}}]
users: [{name: account, user: {token: %q}}]
`

// writeFolder writes what metrics servers and their clients need: kubeconfigs, authorities, the front proxy's pair.
func writeFolder(folder, url string, accounts []string, cluster, proxy *authority) error {
	client, err := proxy.sign(pkix.Name{CommonName: frontProxy}, x509.ExtKeyUsageClientAuth, nil, nil)
	if err != nil {
		return err
	}
	ca := filepath.Join(folder, "ca.crt")
	files := map[string][]byte{
		"ca.crt":                 cluster.pem,
		"front-proxy-client.crt": client.chain,
		"front-proxy-client.key": client.key,
	}
	for _, account := range accounts {
		files["kubeconfig-"+account] = fmt.Appendf(nil, kubeconfig, url, ca, account)
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(folder, name), content, 0o600); err != nil {
			return err
		}
	}
	return nil
}
