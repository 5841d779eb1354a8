package decode

// dragino is being written by the helper of the LoRaWAN payloads (21:16-22:00).
