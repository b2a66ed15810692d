package main

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
)

// review is a question of an extension API server: who is it, or may they?
type review struct {
	kind, apiVersion string
	field            string // of the spec: what decides
	number           uint64 // its number in the protobuf form, which client-go sends
	status           func(value string) any
}

var tokenReview = review{"TokenReview", "authentication.k8s.io/v1", "token", 1, func(token string) any {
	if token != admin {
		return map[string]any{"authenticated": false}
	}
	return map[string]any{"authenticated": true, "user": map[string]any{"username": admin, "uid": "1", "groups": []string{"system:authenticated"}}}
}}

var accessReview = review{"SubjectAccessReview", "authorization.k8s.io/v1", "user", 3, func(user string) any {
	return map[string]any{"allowed": user == admin}
}}

func (v review) answer(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	if err != nil {
		refuse(w, http.StatusBadRequest, "BadRequest", err.Error())
		return
	}
	value, err := v.asked(body)
	if err != nil {
		refuse(w, http.StatusBadRequest, "BadRequest", err.Error())
		return
	}
	told, err := json.Marshal(map[string]any{
		"kind": v.kind, "apiVersion": v.apiVersion, "metadata": map[string]any{},
		"spec": map[string]any{v.field: value}, "status": v.status(value),
	})
	if err != nil {
		panic(err) // never: texts only
	}
	answer(w, http.StatusCreated, told)
}

// asked is the field that decides, of JSON or protobuf.
func (v review) asked(body []byte) (string, error) {
	if raw, is := bytes.CutPrefix(body, []byte("k8s\x00")); is {
		// runtime.Unknown.raw, then the object's spec, then its field.
		for _, number := range []uint64{2, 2, v.number} {
			raw = field(raw, number)
		}
		return string(raw), nil
	}
	var object struct {
		Spec map[string]any `json:"spec"`
	}
	if err := json.Unmarshal(body, &object); err != nil {
		return "", err
	}
	return fmt.Sprint(object.Spec[v.field]), nil
}

// field is a message's field with that number, of a type that has a length; nil if there is none.
func field(message []byte, wanted uint64) []byte {
	for len(message) > 0 {
		tag, n := binary.Uvarint(message)
		if n <= 0 {
			return nil
		}
		message = message[n:]
		value, n := binary.Uvarint(message)
		if n <= 0 {
			return nil
		}
		message = message[n:]
		if tag&7 != 2 { // a number
			continue
		}
		if value > uint64(len(message)) {
			return nil
		}
		if tag>>3 == wanted {
			return message[:value]
		}
		message = message[value:]
	}
	return nil
}
