package journal_test

import (
	"fmt"
	"os"

	"greencommunity/ingest"
	"greencommunity/ingest/journal"
)

// Append returns once the messages would survive a power cut. They are read by
// their numbers, by this process or by the next.
func ExampleJournal() {
	dir, err := os.MkdirTemp("", "journal")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	j, err := journal.Open(journal.Options{Dir: dir})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer j.Close()
	if err := j.Append([]*ingest.Message{
		{Topic: "bins/nancheng/up", Payload: []byte(`{"sn":"B-17","h":310}`)},
		{Topic: "bins/nancheng/up", Payload: []byte(`{"sn":"B-18","h":940}`)},
	}); err != nil {
		fmt.Println(err)
		return
	}
	r := j.Read(2)
	defer r.Close()
	for r.Next() {
		m := r.Message()
		fmt.Printf("%d %s %s\n", m.Seq, m.Topic, m.Payload)
	}
	fmt.Println(r.Err())
	// Output:
	// 2 bins/nancheng/up {"sn":"B-18","h":940}
	// <nil>
}
