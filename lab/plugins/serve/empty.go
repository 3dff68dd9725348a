package serve

import "google.golang.org/protobuf/types/known/emptypb"

// Empty is the reply of a call that has nothing to say.
type Empty = emptypb.Empty
