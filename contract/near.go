package contract

// DidYouMean is a hint for a word that is none of names: the nearest of them,
// or all when none is near.
func DidYouMean(word string, names []string) string { return didYouMean(word, names) }
