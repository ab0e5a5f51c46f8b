'use strict'
// Sends a list by nodemailer's pool: node nodemailer.js SETTINGS.json. What bench/peer_kit/nodemailer.py runs.

const fs = require('node:fs')
const settings = JSON.parse(fs.readFileSync(process.argv[2], 'utf8'))
const nodemailer = require(settings.nodemailer)

const body = fs.readFileSync(settings.body, 'utf8')
const [header, ...rows] = fs.readFileSync(settings.list, 'utf8').trimEnd().split('\n').slice(0, settings.messages + 1)
const columns = header.split(',')

const transport = nodemailer.createTransport({
  pool: true,
  host: settings.host,
  port: settings.port,
  maxConnections: settings.connections,
  maxMessages: Infinity,
  ignoreTLS: !settings.tls,
  requireTLS: settings.tls,
  tls: { rejectUnauthorized: false },
  dkim: settings.key && { domainName: 'example.com', keySelector: 'volley', privateKey: fs.readFileSync(settings.key, 'utf8') },
})

function send(row) {
  const values = Object.fromEntries(row.split(',').map((value, i) => [columns[i], value]))
  const text = body.replace(/{{(\w+)}}/g, (_, name) => values[name])
  const mail = { from: 'Example News <news@example.com>', to: values.email, subject: `News for ${values.first_name}` }
  mail[settings.page ? 'html' : 'text'] = text
  return transport.sendMail(mail)
}

// A few hundred at a time are in hand: enough to keep the pool busy, and not the whole list.
let next = 0
async function feed() {
  while (next < rows.length) await send(rows[next++])
}
Promise.all(Array.from({ length: 10 * settings.connections }, feed)).then(
  () => transport.close(),
  (error) => {
    console.error(error)
    process.exit(1)
  },
)
