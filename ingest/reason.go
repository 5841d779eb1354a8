package ingest

import (
	"errors"
	"fmt"
)

// Reason says why something was refused. The set is closed: reasons are labels
// of metrics and headings of the vendor guide.
type Reason string

const (
	UnknownTopic      Reason = "unknown_topic"       // no source of the inventory matches the topic
	Malformed         Reason = "malformed"           // not what the format says: JSON, lengths, structure
	Checksum          Reason = "checksum"            // frame whose checksum or digits are wrong
	TooLarge          Reason = "too_large"           // payload, topic or nesting beyond the limits
	NoReading         Reason = "no_reading"          // understood, but no field in it is mapped
	UnknownDevice     Reason = "unknown_device"      // not in the inventory, and the vendor may not add it
	UnknownCommunity  Reason = "unknown_community"   // names a community the inventory does not list
	UnknownFacility   Reason = "unknown_facility"    // names a kind of facility nobody declared
	NotOwner          Reason = "not_owner"           // the device or community belongs to another vendor
	BadIdentifier     Reason = "bad_identifier"      // a device or channel name that cannot be a tag
	BadValue          Reason = "bad_value"           // not a number: text, NaN, infinity, a sentinel
	BadUnit           Reason = "bad_unit"            // a unit that does not convert to the quantity's
	OutOfRange        Reason = "out_of_range"        // beyond what the quantity can be
	CodecFailed       Reason = "codec_failed"        // the vendor's decoder threw, looped or returned nonsense
	MissingState      Reason = "missing_state"       // needs an earlier message, such as a Sparkplug birth
	TooManyDevices    Reason = "too_many_devices"    // the vendor's quota of unlisted devices is used up
	TooManyChannels   Reason = "too_many_channels"   // the vendor's quota of names of channels is used up
	TooManyTypes      Reason = "too_many_types"      // the vendor's quota of types of events is used up
	RefusedByInfluxDB Reason = "refused_by_influxdb" // every point of it was answered with 400 or 422
	Lost              Reason = "lost"                // acknowledged, and damaged or gone in the journal before it was stored
	Erased            Reason = "erased"              // erased from the journal before it was stored
	Internal          Reason = "internal"            // a defect of ours; the message is kept for replay
)

// Reasons lists the closed set, in the order of the vendor guide.
var Reasons = []Reason{
	UnknownTopic, Malformed, Checksum, TooLarge, NoReading, UnknownDevice,
	UnknownCommunity, UnknownFacility, NotOwner, BadIdentifier, BadValue,
	BadUnit, OutOfRange, CodecFailed, MissingState, TooManyDevices,
	TooManyChannels, TooManyTypes,
	RefusedByInfluxDB, Lost, Erased, Internal,
}

// titles hold what a reason is called where people read it.
var titles = map[Reason]Text{
	UnknownTopic:      {ZH: "主题未登记", EN: "topic not listed"},
	Malformed:         {ZH: "格式错误", EN: "malformed"},
	Checksum:          {ZH: "校验和错误", EN: "wrong checksum"},
	TooLarge:          {ZH: "超出大小限制", EN: "too large"},
	NoReading:         {ZH: "没有可识别的读数", EN: "no reading in it"},
	UnknownDevice:     {ZH: "设备未登记", EN: "device not listed"},
	UnknownCommunity:  {ZH: "社区未登记", EN: "community not listed"},
	UnknownFacility:   {ZH: "设施种类未声明", EN: "kind of facility not declared"},
	NotOwner:          {ZH: "属于其他厂商", EN: "of another vendor"},
	BadIdentifier:     {ZH: "名称不合规", EN: "unusable name"},
	BadValue:          {ZH: "不是数值", EN: "not a number"},
	BadUnit:           {ZH: "单位无法换算", EN: "unit does not convert"},
	OutOfRange:        {ZH: "超出可能范围", EN: "out of range"},
	CodecFailed:       {ZH: "解码脚本出错", EN: "decoder failed"},
	MissingState:      {ZH: "缺少前置消息", EN: "needs an earlier message"},
	TooManyDevices:    {ZH: "未登记设备过多", EN: "too many unlisted devices"},
	TooManyChannels:   {ZH: "通道名过多", EN: "too many names of channels"},
	TooManyTypes:      {ZH: "事件类型过多", EN: "too many types of events"},
	RefusedByInfluxDB: {ZH: "数据库拒绝", EN: "refused by the database"},
	Lost:              {ZH: "日志损坏丢失", EN: "lost with the journal"},
	Erased:            {ZH: "已按要求删除", EN: "erased on request"},
	Internal:          {ZH: "系统缺陷", EN: "a defect of ours"},
}

// Title returns what a reason is called where people read it; what to do about it
// is in the vendor guide.
func (r Reason) Title() Text { return titles[r] }

// Refusal is the error of a message or of one reading in it. Detail is a
// sentence for the vendor, with the field it is about; it holds no payload
// beyond a short excerpt of a number or name.
type Refusal struct {
	Reason Reason
	Detail string
}

func (r *Refusal) Error() string { return string(r.Reason) + ": " + r.Detail }

// Refuse builds a Refusal.
func Refuse(reason Reason, format string, args ...any) *Refusal {
	return &Refusal{Reason: reason, Detail: fmt.Sprintf(format, args...)}
}

// AsRefusal returns the refusal that an error is or wraps; any other error is a
// Malformed refusal with its text.
func AsRefusal(err error) *Refusal {
	var refusal *Refusal
	if errors.As(err, &refusal) {
		return refusal
	}
	return Refuse(Malformed, "%v", err)
}
