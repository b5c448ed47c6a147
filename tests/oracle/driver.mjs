// Client of the C driver: commands are gathered together with the results that Yjs had, sent in one
// frame and compared answer by answer.
import { spawn } from 'node:child_process'
import * as encoding from 'lib0/encoding'
import * as decoding from 'lib0/decoding'

const code = c => c.charCodeAt(0)

export class Driver {
  constructor (path) {
    this.child = spawn(path, { stdio: ['pipe', 'pipe', 'inherit'] })
    this.chunks = []
    this.size = 0
    this.waiting = null
    this.failed = null
    this.child.stdout.on('data', data => {
      this.chunks.push(data)
      this.size += data.length
      this.deliver()
    })
    this.child.on('exit', (status, signal) => {
      this.failed = new Error(`driver ended: status ${status} signal ${signal}`)
      this.deliver()
    })
    this.compared = 0
    this.reset()
  }

  reset () {
    this.enc = encoding.createEncoder()
    this.expected = []
  }

  deliver () {
    if (!this.waiting) return
    if (this.size >= 4) {
      const all = Buffer.concat(this.chunks, this.size)
      this.chunks = [all]
      const n = all.readUInt32LE(0)
      if (all.length >= 4 + n) {
        this.chunks = [all.subarray(4 + n)]
        this.size = all.length - 4 - n
        const w = this.waiting
        this.waiting = null
        w.resolve(all.subarray(4, 4 + n))
        return
      }
    }
    if (this.failed) {
      this.waiting.reject(this.failed)
      this.waiting = null
    }
  }

  op (c, ...args) {
    encoding.writeUint8(this.enc, code(c))
    for (const a of args) {
      if (typeof a === 'number') encoding.writeVarUint(this.enc, a)
      else if (typeof a === 'string') encoding.writeVarString(this.enc, a)
      else encoding.writeVarUint8Array(this.enc, a)
    }
  }

  // A command whose result must be these bytes.
  ask (label, want, c, ...args) {
    this.op(c, ...args)
    this.expected.push({ label, want })
  }

  // Sends what was gathered; the first difference, or null.
  async flush () {
    const body = encoding.toUint8Array(this.enc)
    const expected = this.expected
    this.reset()
    const head = Buffer.alloc(4)
    head.writeUInt32LE(body.length)
    this.child.stdin.write(head)
    this.child.stdin.write(body)
    const reply = await new Promise((resolve, reject) => {
      this.waiting = { resolve, reject }
      this.deliver()
    })
    const dec = decoding.createDecoder(reply)
    for (const { label, want } of expected) {
      const got = decoding.readVarUint8Array(dec)
      this.compared++
      if (Buffer.compare(Buffer.from(want), Buffer.from(got)) !== 0) {
        return { label, want: Buffer.from(want), got: Buffer.from(got) }
      }
    }
    return null
  }

  close () {
    this.child.stdin.end()
  }
}
