package main

import "fmt"

// didYouMean is a hint at the name that word nearly is, "" without one.
func didYouMean(word string, names []string) string {
	best, nearest := 3, "" // more than two slips is another word
	for _, name := range names {
		if n := distance(word, name); n < best && n < len(name) {
			best, nearest = n, name
		}
	}
	if nearest == "" {
		return ""
	}
	return fmt.Sprintf(" (did you mean %q?)", nearest)
}

// distance is how many bytes must be put in, taken out or changed to make b of a.
func distance(a, b string) int {
	if len(a) > 64 { // no key is that long
		return len(a)
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
