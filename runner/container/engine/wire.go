package engine

import (
	"errors"

	"google.golang.org/protobuf/encoding/protowire"
)

// message is a message in the wire format of Protocol Buffers
// (https://protobuf.dev/programming-guides/encoding). Fields are known by the
// numbers of the .proto files that the callers name.
type message []byte

// errWire is what is wrong with an answer that is no message.
var errWire = errors.New("the answer is no message of its API")

// fields calls take for each field that has bytes: a text, a message, an element
// of a list. Others are skipped.
func (m message) fields(take func(number protowire.Number, value message) error) error {
	for len(m) > 0 {
		number, kind, n := protowire.ConsumeTag(m)
		if n < 0 {
			return errWire
		}
		m = m[n:]
		if kind != protowire.BytesType {
			if n = protowire.ConsumeFieldValue(number, kind, m); n < 0 {
				return errWire
			}
			m = m[n:]
			continue
		}
		value, n := protowire.ConsumeBytes(m)
		if n < 0 {
			return errWire
		}
		m = m[n:]
		if err := take(number, value); err != nil {
			return err
		}
	}
	return nil
}

// texts reads fields that are texts, by number; the last value of each counts.
func (m message) texts(into map[protowire.Number]*string) error {
	return m.fields(func(number protowire.Number, value message) error {
		if text := into[number]; text != nil {
			*text = string(value)
		}
		return nil
	})
}

// list calls take for each element of a repeated message.
func (m message) list(number protowire.Number, take func(message) error) error {
	return m.fields(func(n protowire.Number, value message) error {
		if n != number {
			return nil
		}
		return take(value)
	})
}

// entry adds an entry of a map of texts.
func (m message) entry(into *map[string]string) error {
	var key, value string
	if err := m.texts(map[protowire.Number]*string{1: &key, 2: &value}); err != nil {
		return err
	}
	if *into == nil {
		*into = map[string]string{}
	}
	(*into)[key] = value
	return nil
}

// appendText appends a text, or a message, as a field.
func appendText[T string | []byte](m []byte, number protowire.Number, value T) []byte {
	m = protowire.AppendTag(m, number, protowire.BytesType)
	return protowire.AppendBytes(m, []byte(value))
}
