'use strict'
// A Haraka plugin for the tests: takes every recipient, keeps each message in a file under $KEEP_IN/new.

const fs = require('node:fs')
const path = require('node:path')

exports.hook_rcpt = (next) => next(OK)

exports.hook_queue = (next, connection) => {
  const { transaction } = connection
  const written = path.join(process.env.KEEP_IN, 'tmp', transaction.uuid)
  const file = fs.createWriteStream(written)
  file.write(`Delivered-To: ${transaction.rcpt_to.map((rcpt) => rcpt.address).join(', ')}\r\n`)
  file.once('close', () => {
    fs.renameSync(written, path.join(process.env.KEEP_IN, 'new', transaction.uuid))
    next(OK)
  })
  transaction.message_stream.pipe(file)
}
