// A person at the daemon's page, by Playwright.
//
//   node page.mjs PACKAGE_FOLDER BROWSER URL FOLDER_OF_TORRENTS [FOLDER_FOR_PICTURES]
//
// Each step prints a line; the last one is "fine". Any error that the browser reports ends it.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { pathToFileURL } from 'node:url'

const [folder, browserName, url, torrents, pictures] = process.argv.slice(2)
const { chromium } = await import(pathToFileURL(`${folder}/index.mjs`))
const executablePath = browserName.includes('/') ? browserName : execFileSync('which', [browserName], { encoding: 'utf8' }).trim()
const browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] })
const troubles = []
let calls = 0

const visit = async options => {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, httpCredentials: { username: 'me', password: 'secret' }, ...options })
  const page = await context.newPage()
  page.on('pageerror', error => troubles.push(`${error}`))
  // The handshake's 409 is a part of the dialect; browsers write it down all the same.
  page.on('console', message => {
    if (message.type() === 'error' && !/status of (409|401)/.test(message.text())) troubles.push(message.text())
  })
  page.on('request', request => { calls += request.url().endsWith('/rpc') ? 1 : 0 })
  await page.goto(url)
  return page
}
const picture = async (page, name) => pictures && page.screenshot({ path: `${pictures}/${name}.png` })
const step = what => console.log(what)

const page = await visit({})
const row = name => page.locator('#rows .row').filter({ hasText: name })
const state = (name, word) => row(name).locator('.state').filter({ hasText: word }).waitFor()
const button = name => page.getByRole('button', { name, exact: true })
const dialog = page.getByRole('dialog')

await page.getByRole('heading', { name: 'Nothing here yet' }).waitFor()
assert.ok(page.url().endsWith('/transmission/web/'), page.url())
await picture(page, 'empty')
step('it is empty')

await page.keyboard.press('a')
await dialog.locator('input[type=file]').setInputFiles([`${torrents}/named.torrent`])
await dialog.getByLabel('Start when added').uncheck()
await dialog.getByLabel('Labels').fill('odd, new')
await dialog.getByRole('button', { name: 'Add', exact: true }).click()
await state('onerror', 'Stopped')
assert.match(await row('onerror').locator('.title').textContent(), /^<img src=x onerror="document.title='owned'"><script>/)
assert.equal(await page.locator('#rows img, #rows script').count(), 0)
assert.ok(!(await page.title()).includes('owned'))
assert.deepEqual(await row('onerror').locator('.label').allTextContents(), ['odd', 'new'])
step('a name is a text')

await button('Settings').click()
await dialog.getByRole('tab', { name: 'Speed' }).click()
await dialog.getByRole('checkbox', { name: 'Download at most' }).check()
await dialog.getByRole('spinbutton', { name: 'Download at most, kB/s' }).first().fill('250')
await picture(page, 'settings')
await dialog.getByRole('button', { name: 'Save' }).click()
await dialog.waitFor({ state: 'detached' })
await page.locator('#down-max').filter({ hasText: 'of 250 kB/s' }).waitFor()
step('a setting is kept')

// Dropped onto the page; one of its files is not wanted.
const bytes = readFileSync(`${torrents}/album.torrent`).toString('base64')
await page.evaluate(async bytes => {
  const blob = await (await fetch('icon.svg')).blob()
  const data = new DataTransfer()
  const buffer = Uint8Array.from(atob(bytes), letter => letter.charCodeAt(0))
  data.items.add(new File([buffer], 'album.torrent'))
  for (const kind of ['dragenter', 'dragover', 'drop']) document.body.dispatchEvent(new DragEvent(kind, { dataTransfer: data, bubbles: true, cancelable: true }))
  return blob.size
}, bytes)
await dialog.getByText('2 files, 3.50 MB').waitFor()
await dialog.getByRole('checkbox', { name: 'Download two.bin' }).uncheck()
await dialog.getByText('1 file, 3.00 MB').waitFor()
await picture(page, 'add')
await dialog.getByRole('button', { name: 'Add', exact: true }).click()
await state('album', 'Downloading')
step('a torrent is dropped, and files are chosen before it starts')

const share = async () => Number.parseFloat(await row('album').locator('.share').textContent())
await page.waitForFunction(() => [...document.querySelectorAll('#rows .row')].some(row => {
  const done = Number.parseFloat(row.querySelector('.share').textContent)
  return row.textContent.includes('album') && done > 0 && done < 100
}))
const before = await share()
await page.waitForFunction(before => [...document.querySelectorAll('#rows .row')].some(row =>
  row.textContent.includes('album') && Number.parseFloat(row.querySelector('.share').textContent) > before), before)
await picture(page, 'list')
step('its progress is seen')

await row('album').click()
await button('Stop').first().click()
await state('album', 'Stopped')
step('it is stopped')

await page.getByRole('tab', { name: 'Files' }).click()
const files = page.getByRole('tabpanel')
assert.equal(await files.getByRole('checkbox', { name: 'Download two.bin' }).isChecked(), false)
await files.getByRole('checkbox', { name: 'Download two.bin' }).check()
await files.getByRole('combobox', { name: 'Priority of two.bin' }).selectOption('High')
await row('album').filter({ hasText: '3.50 MB' }).waitFor()
await picture(page, 'files')
await page.getByRole('tab', { name: 'Trackers' }).click()
await files.getByText('/announce').first().waitFor()
await page.getByRole('tab', { name: 'Overview' }).click()
await files.getByText(/pieces are here/).first().waitFor()
await picture(page, 'details')
step('its files are chosen again')

await page.getByRole('tab', { name: 'Files' }).click()
await files.getByRole('button', { name: 'Rename one.bin' }).click()
await dialog.getByLabel('New name').fill('1 & only.bin')
await dialog.getByRole('button', { name: 'Rename', exact: true }).click()
await files.getByRole('checkbox', { name: 'Download 1 & only.bin' }).waitFor()
step('a file is renamed')

await button('Settings').click()
await dialog.getByRole('tab', { name: 'Speed' }).click()
await dialog.getByRole('checkbox', { name: 'Download at most' }).uncheck()
await dialog.getByRole('button', { name: 'Save' }).click()
await dialog.waitFor({ state: 'detached' })
// By keys alone: the focus is in the list.
await page.locator('#list').focus()
await page.keyboard.press('s')
await state('album', 'Seeding')
await page.getByRole('tab', { name: 'Peers' }).click()
step('it is complete')

// A link that was pasted, with the hash of the film; nobody tells its metadata, so it keeps asking.
await page.locator('#list').focus()
await page.keyboard.press('a')
await dialog.getByRole('textbox', { name: 'Links' }).fill('this is no link')
await dialog.getByRole('button', { name: 'Add', exact: true }).click()
await dialog.getByRole('alert').filter({ hasText: 'no magnet link' }).waitFor()
await dialog.getByRole('textbox', { name: 'Links' }).fill('http://127.0.0.1:1/none.torrent')
await dialog.getByRole('button', { name: 'Add', exact: true }).click()
await dialog.getByRole('alert').filter({ hasText: 'leads nowhere' }).waitFor()
await dialog.getByRole('textbox', { name: 'Links' }).fill('magnet:?xt=urn:btih:0123456789abcdef0123456789abcdef01234567&dn=A+link')
await dialog.getByRole('button', { name: 'Add', exact: true }).click()
await state('A link', 'Asking peers')
step('a link is added')

await page.keyboard.press('/')
await page.keyboard.type('ALB')
await page.waitForFunction(() => document.querySelectorAll('#rows .row').length === 1)
await page.keyboard.press('Escape')
await page.waitForFunction(() => document.querySelectorAll('#rows .row').length === 3)
await page.locator('#side').getByRole('button', { name: /^Stopped/ }).click()
await page.waitForFunction(() => document.querySelectorAll('#rows .row').length === 1)
await page.locator('#side').getByRole('button', { name: /^All/ }).click()
await page.getByRole('columnheader', { name: 'Name' }).getByRole('button').click()
await page.waitForFunction(() => document.querySelector('#order-name').getAttribute('aria-sort') === 'ascending')
step('it is searched, filtered and sorted')

await row('album').click()
await page.keyboard.press('l')
await dialog.getByRole('checkbox', { name: 'Upload at most' }).check()
await dialog.getByRole('spinbutton', { name: 'Upload at most, kB/s' }).fill('33')
await dialog.getByLabel('Labels').fill('music')
await dialog.getByRole('button', { name: 'Save' }).click()
await row('album').locator('.label', { hasText: 'music' }).waitFor()
step('a limit and a label are set')

// Nothing is asked while nobody looks.
await page.evaluate(() => {
  Object.defineProperty(document, 'hidden', { value: true, configurable: true })
  document.dispatchEvent(new Event('visibilitychange'))
})
await page.waitForTimeout(1000)
const asked = calls
await page.waitForTimeout(4000)
assert.equal(calls, asked, 'the page asks while it is hidden')
await page.evaluate(() => {
  Object.defineProperty(document, 'hidden', { value: false, configurable: true })
  document.dispatchEvent(new Event('visibilitychange'))
})
await page.waitForRequest(/rpc$/)
step('it rests while it is hidden')

await row('album').click()
await row('onerror').click({ modifiers: ['Control'] })
await page.getByText('2 chosen').waitFor()
await page.keyboard.press('Delete')
await dialog.getByRole('checkbox', { name: /Delete the downloaded data/ }).check()
await picture(page, 'remove')
await dialog.getByRole('button', { name: 'Remove and delete' }).click()
await row('album').waitFor({ state: 'detached' })
await row('onerror').waitFor({ state: 'detached' })
step('torrents are removed with their data')

const phone = await visit({ viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true, colorScheme: 'dark' })
await phone.getByRole('button', { name: 'Add', exact: true }).tap()
await phone.getByRole('dialog').locator('input[type=file]').setInputFiles([`${torrents}/film.torrent`])
await phone.getByRole('dialog').getByText('film.bin').first().waitFor()
await phone.getByRole('dialog').getByRole('button', { name: 'Add', exact: true }).tap()
const film = phone.locator('#rows .row').filter({ hasText: 'film.bin' })
await film.locator('.state').filter({ hasText: 'Seeding' }).waitFor()
await picture(phone, 'phone')
await film.tap()
await phone.getByRole('heading', { name: 'film.bin' }).waitFor()
await phone.getByText('7 of 7 pieces are here').first().waitFor()
await picture(phone, 'phone-details')
assert.equal(await phone.evaluate(() => document.documentElement.scrollWidth > innerWidth), false, 'it is as wide as the phone')
await phone.goBack()
await phone.locator('#details').waitFor({ state: 'hidden' })
step('it fits a phone')

// Every control has a name that can be read aloud.
for (const one of [page, phone]) {
  const nameless = await one.evaluate(() => [...document.querySelectorAll('button, input, select, textarea, [role=tab], [role=progressbar]')]
    .filter(node => !(node.getAttribute('aria-label') || node.textContent.trim() || node.labels?.length || node.title))
    .map(node => node.outerHTML.slice(0, 200)))
  assert.deepEqual(nameless, [])
}
assert.deepEqual(troubles, [])
await browser.close()
console.log('fine')
