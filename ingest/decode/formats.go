package decode

// Formats is every format the program reads, by the name a source gives.
var Formats = map[string]Format{
	"native": {New: newNative, About: "our own: {\"time\":…,\"active_power\":43.2}"},
	"json":   {New: newMapping, About: "a vendor's private JSON, by the mapping of its source"},
}
