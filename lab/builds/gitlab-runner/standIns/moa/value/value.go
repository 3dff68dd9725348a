// Package value stands in for moa's values. The runner decodes a job's inputs into them whether or not the job uses
// them, so they have to read every JSON value, and tell its kind: else the whole job would be lost.
package value

import (
	"encoding/json"
	"errors"
	"fmt"
	"iter"
)

// Errors that a Mapper returns.
var (
	ErrAttributeNotFound = errors.New("attribute not found")
	ErrInvalidKey        = errors.New("invalid key")
)

// Kind is the kind of a JSON value.
type Kind int

// The kinds.
const (
	NullKind Kind = iota
	BoolKind
	NumberKind
	StringKind
	ArrayKind
	ObjectKind
)

func (kind Kind) String() string {
	return [...]string{"null", "boolean", "number", "string", "array", "struct"}[kind]
}

// Mapper is an object whose attributes are looked up.
type Mapper interface {
	All() iter.Seq2[Value, Value]
	Attr(name string) (Value, error)
	Get(key Value) (Value, error)
	Keys() iter.Seq[Value]
	Len() int
	Values() iter.Seq[Value]
	WithMarks(marks uint16) Mapper
}

// Value is a JSON value with marks, such as sensitive. The zero value is null.
type Value struct {
	content any
	marks   uint16
}

// Null is JSON's null.
func Null() Value { return Value{} }

// String is text.
func String(text string) Value { return Value{content: text} }

// Object is what the mapper looks up.
func Object(mapper Mapper) Value { return Value{content: mapper} }

// Kind tells what the value is.
func (v Value) Kind() Kind {
	switch v.content.(type) {
	case nil:
		return NullKind
	case bool:
		return BoolKind
	case float64:
		return NumberKind
	case string:
		return StringKind
	case []any:
		return ArrayKind
	default:
		return ObjectKind
	}
}

func (v Value) String() string {
	if text, isText := v.content.(string); isText {
		return text
	}
	return fmt.Sprint(v.content)
}

// WithMarks adds marks.
func (v Value) WithMarks(marks uint16) Value { return Value{v.content, v.marks | marks} }

// HasMarks tells whether all of these marks are set.
func (v Value) HasMarks(marks uint16) bool { return v.marks&marks == marks }

// UnmarshalJSON reads any JSON value.
func (v *Value) UnmarshalJSON(data []byte) error { return json.Unmarshal(data, &v.content) }

// MarshalJSON writes what was read.
func (v Value) MarshalJSON() ([]byte, error) { return json.Marshal(v.content) }
