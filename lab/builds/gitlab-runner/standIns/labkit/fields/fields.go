// Package fields stands in for labkit's names of log fields. No name is deprecated here, so the runner logs every field
// under the one name that it has.
package fields

// Names that the runner uses.
const (
	HTTPStatusCode = "status"
	DurationS      = "duration_s"
)

// Deprecation says what a field is called now.
type Deprecation struct{ Standard string }

// Deprecated has no entry.
var Deprecated = map[string]Deprecation{}

// VariantVersion has no entry.
var VariantVersion = map[string]int{}
