// The client of the npm package `bittorrent-tracker`, twice, through one tracker.
//
//   node bittorrent_tracker.mjs PACKAGE_FOLDER ANNOUNCE_URL
//
// A seed and a leecher announce there, hear of each other, scrape, complete and leave. Each step prints a line; any
// warning of the package ends it with an error.
import { once } from 'node:events'
import { pathToFileURL } from 'node:url'

const [folder, announce] = process.argv.slice(2)
const { default: Client } = await import(pathToFileURL(`${folder}/index.js`))
const infoHash = 'abadcafe'.repeat(5)

const fail = error => {
  console.log(`failed: ${error.message ?? error}`)
  process.exit(1)
}
const member = (name, port) => {
  const client = new Client({ infoHash, announce, port, peerId: Buffer.from(`-NP0001-${name.padEnd(12, '0')}`) })
  client.on('error', fail)
  client.on('warning', fail)
  return client
}
// The next answer of the tracker, and the peers in it.
const told = async (client, act) => {
  const peers = []
  const hear = peer => peers.push(peer)
  client.on('peer', hear)
  const answer = once(client, 'update')
  act()
  const [update] = await answer
  await new Promise(resolve => setImmediate(resolve))
  client.off('peer', hear)
  return `complete ${update.complete} incomplete ${update.incomplete} peers [${peers.join()}]`
}

const seed = member('seed', 1001)
const leech = member('leech', 1002)
console.log('seed started:', await told(seed, () => seed.start({ uploaded: 0, downloaded: 0, left: 0 })))
console.log('leech started:', await told(leech, () => leech.start({ uploaded: 0, downloaded: 0, left: 5 })))
console.log('seed again:', await told(seed, () => seed.update({ uploaded: 0, downloaded: 0, left: 0 })))
const scraped = once(leech, 'scrape')
leech.scrape()
const [counts] = await scraped
console.log(`scraped: complete ${counts.complete} incomplete ${counts.incomplete} downloaded ${counts.downloaded}`)
console.log('leech completed:', await told(leech, () => leech.complete({ uploaded: 0, downloaded: 5, left: 0 })))
for (const client of [leech, seed]) {
  const left = once(client, 'update')
  client.stop({ uploaded: 0, downloaded: 0, left: 0 })
  const [update] = await left
  console.log(`left: complete ${update.complete}`)
}
leech.destroy()
seed.destroy()
