// node oracle.mjs DRIVER COUNT SEED: random histories on Yjs and on the driver until one differs.
import { Driver } from './driver.mjs'
import { History } from './history.mjs'
import { Rich } from './rich.mjs'
import { checkWasm } from './wasm.mjs'

const [path, count = '1000', seed = '1'] = process.argv.slice(2)
const total = Number(count)
const first = Number(seed)
const BATCH = 40

const driver = new Driver(path)
const started = Date.now()

// Every tenth history brings contents that the engine only carries, every twentieth asks ywasm too.
const make = (number) => number % 10 === 9 ? new Rich(driver, number) : new History(driver, number)

const report = (number, difference) => {
  console.error(`history ${number} differs: ${difference.label}`)
  console.error(`  Yjs  ${difference.want.toString('hex').slice(0, 4000)}`)
  console.error(`  ours ${difference.got.toString('hex').slice(0, 4000)}`)
  console.error(`again with: tests/oracle/run 1 ${number}`)
}

let done = 0
for (let number = first; number < first + total;) {
  const end = Math.min(number + BATCH, first + total)
  const marks = []
  for (; number < end; number++) {
    const h = make(number)
    h.run()
    if (number % 20 === 0) checkWasm(h)
    marks.push([driver.expected.length, number])
  }
  const expected = driver.expected
  const difference = await driver.flush()
  if (difference) {
    const at = expected.findIndex(e => e.label === difference.label && Buffer.compare(Buffer.from(e.want), difference.want) === 0)
    report(marks.find(([upTo]) => at < upTo)[1], difference)
    driver.close()
    process.exit(1)
  }
  done = end - first
  if (done % 10000 === 0) console.log(`${done} histories, ${driver.compared} comparisons, ${((Date.now() - started) / 1000).toFixed(0)} s`)
}
driver.close()
console.log(`${total} histories from seed ${first}: ${driver.compared} results equal to Yjs, ${((Date.now() - started) / 1000).toFixed(1)} s`)
