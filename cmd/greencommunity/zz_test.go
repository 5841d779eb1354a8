package main
import ("testing";"os";"encoding/json")
func TestDump(t *testing.T){
 type x struct{Path,Text string; Examples []example}
 found,_:=collect(os.Getenv("DUMP")); var o []x
 for _,d:=range found { o=append(o,x{d.Path,d.text,d.examples}) }
 b,_:=json.Marshal(o); os.WriteFile(os.Getenv("DUMPTO"),b,0o644)
}
