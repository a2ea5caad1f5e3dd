"""What is done to a job's record inside Valkey (Lua): one script at a time, so each is atomic.

Their ``now`` is the clock of the broker, the only one that all processes share.
"""

from __future__ import annotations

from app.inference.broker import PREFIX

#: The last things that went wrong, newest first, as JSON; and how many of them.
ERRORS = PREFIX + "errors"
ERRORS_KEPT = 100
#: Of each family the jobs ``done`` and ``failed``, and the ``seconds`` that they took.
COUNTS = PREFIX + "counts"

_NOW = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
"""

#: Keeps what went wrong for those who look after the system: ``note(where, job, message)``.
_NOTE = """
local function note(where, job, message)
  redis.call('LPUSH', 'ERRORS', cjson.encode({time = now / 1000, where = where, job = job,
    message = message}))
  redis.call('LTRIM', 'ERRORS', 0, MOST)
  redis.call('EXPIRE', 'ERRORS', 86400)
end
""".replace("ERRORS", ERRORS).replace("MOST", str(ERRORS_KEPT - 1))

#: ARGV where, job, message.
NOTE = _NOW + _NOTE + "note(ARGV[1], ARGV[2], ARGV[3])"

#: KEYS record, interest, then the queue's lists; ARGV request, sequence, family, pace, priority,
#: interest ms, record ms, queue limit, retry, interest wanted only if longer.
SUBMIT = (
    _NOW
    + """
local state = redis.call('HGET', KEYS[1], 'state')
if redis.call('PTTL', KEYS[2]) < tonumber(ARGV[6]) then
  redis.call('SET', KEYS[2], 1, 'PX', ARGV[6])
end
if state == 'failed' and ARGV[9] == '1' then
  redis.call('DEL', KEYS[1])
  state = false
end
if state == 'queued' and tonumber(ARGV[5]) < tonumber(redis.call('HGET', KEYS[1], 'priority')) then
  redis.call('HSET', KEYS[1], 'priority', ARGV[5], 'sent', now)
  return 'send'
end
if state then return 'kept' end
local waiting = 0
for i = 3, #KEYS do waiting = waiting + redis.call('LLEN', KEYS[i]) end
if waiting >= tonumber(ARGV[8]) then return 'full' end
redis.call('HSET', KEYS[1], 'state', 'queued', 'request', ARGV[1], 'sequence', ARGV[2],
  'family', ARGV[3], 'pace', ARGV[4], 'priority', ARGV[5], 'sent', now, 'attempts', 0)
redis.call('PEXPIRE', KEYS[1], ARGV[7])
return 'send'
"""
)

#: KEYS record, interest, beat, pace; ARGV interest ms, record ms, attempts allowed, error sentence,
#: id.
STATUS = (
    _NOW
    + _NOTE
    + """
local state = redis.call('HGET', KEYS[1], 'state')
if not state then return {'lost'} end
if redis.call('PTTL', KEYS[2]) < tonumber(ARGV[1]) then
  redis.call('SET', KEYS[2], 1, 'PX', ARGV[1])
end
local send = 0
if state == 'queued' or state == 'running' then
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
end
if state == 'running' and redis.call('EXISTS', KEYS[3]) == 0 then
  note(redis.call('HGET', KEYS[1], 'worker'), ARGV[5],
    'The worker stopped answering while it computed, so its job was given to whoever is free.')
  if tonumber(redis.call('HGET', KEYS[1], 'attempts')) >= tonumber(ARGV[3]) then
    state = 'failed'
    redis.call('HSET', KEYS[1], 'state', state, 'error', ARGV[4])
  else
    state = 'queued'
    send = 1
    redis.call('HSET', KEYS[1], 'state', state, 'sent', now)
  end
end
local f = redis.call('HMGET', KEYS[1], 'family', 'pace', 'priority', 'sent', 'started', 'done',
  'total', 'error', 'worker')
local pace = redis.call('HGET', KEYS[4], f[2])
return {state, send, f[1], f[3], now - f[4], now - (f[5] or now), f[6] or 0, f[7] or 0, f[8] or '',
  f[9] or '', pace or ''}
"""
)

#: Whoever finds a message missing sends it again, once: KEYS record; ARGV lost ms.
RESEND = (
    _NOW
    + """
if redis.call('HGET', KEYS[1], 'state') ~= 'queued' then return 0 end
if now - redis.call('HGET', KEYS[1], 'sent') < tonumber(ARGV[1]) then return 0 end
redis.call('HSET', KEYS[1], 'sent', now)
return 1
"""
)

#: Ids of the waiting messages, next one first: KEYS the queue's lists.
WAITING = """
local ids = {}
for _, key in ipairs(KEYS) do
  local messages = redis.call('LRANGE', key, 0, -1)
  for i = #messages, 1, -1 do
    ids[#ids + 1] = string.match(messages[i], '"correlation_id": ?"(%x+)"') or ''
  end
end
return ids
"""

#: A worker that takes a job: KEYS record, interest, beat; ARGV worker, beat ms, attempts allowed,
#: error sentence, result ms, id. A beat of the same worker is that of its own child that died.
CLAIM = (
    _NOW
    + _NOTE
    + """
local state = redis.call('HGET', KEYS[1], 'state')
if not state then return {'gone'} end
if state == 'done' or state == 'failed' then return {'over'} end
local owner = redis.call('GET', KEYS[3])
if owner and owner ~= ARGV[1] then return {'held'} end
if state == 'running' then
  note(ARGV[1], ARGV[6], 'The process that computed was killed, so its job was begun again.')
end
if redis.call('EXISTS', KEYS[2]) == 0 then
  redis.call('DEL', KEYS[1], KEYS[3])
  return {'unwanted'}
end
if tonumber(redis.call('HGET', KEYS[1], 'attempts')) >= tonumber(ARGV[3]) then
  redis.call('HSET', KEYS[1], 'state', 'failed', 'error', ARGV[4])
  redis.call('PEXPIRE', KEYS[1], ARGV[5])
  redis.call('DEL', KEYS[3])
  return {'over'}
end
redis.call('HINCRBY', KEYS[1], 'attempts', 1)
redis.call('HSET', KEYS[1], 'state', 'running', 'worker', ARGV[1], 'started', now, 'done', 0,
  'total', 0)
redis.call('SET', KEYS[3], ARGV[1], 'PX', ARGV[2])
return {'yours', redis.call('HGET', KEYS[1], 'request'), redis.call('HGET', KEYS[1], 'sequence')}
"""
)

#: KEYS record, interest, beat; ARGV worker, beat ms, done, total. Returns whether anyone waits for
#: it. Where a broker came back empty and the job was submitted anew, it is marked as running again.
BEAT = """
local owner = redis.call('GET', KEYS[3])
if owner and owner ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[3], ARGV[1], 'PX', ARGV[2])
local state = redis.call('HGET', KEYS[1], 'state')
if state == 'queued' then
  redis.call('HSET', KEYS[1], 'state', 'running', 'worker', ARGV[1], 'attempts', 1)
end
if state then redis.call('HSET', KEYS[1], 'done', ARGV[3], 'total', ARGV[4]) end
return redis.call('EXISTS', KEYS[2])
"""

#: KEYS record, beat, pace, counts; ARGV result, result ms, name of the pace, seconds.
FINISH = """
redis.call('HSET', KEYS[1], 'state', 'done', 'result', ARGV[1])
redis.call('HDEL', KEYS[1], 'sequence', 'error')
redis.call('PEXPIRE', KEYS[1], ARGV[2])
redis.call('DEL', KEYS[2])
redis.call('HSET', KEYS[3], ARGV[3], ARGV[4])
redis.call('EXPIRE', KEYS[3], 86400)
local family = redis.call('HGET', KEYS[1], 'family')
if family then
  redis.call('HINCRBY', KEYS[4], family .. ' done', 1)
  redis.call('HINCRBYFLOAT', KEYS[4], family .. ' seconds', ARGV[4])
end
"""

#: KEYS record, beat, counts; ARGV error sentence, result ms, worker, id.
FAIL = (
    _NOW
    + _NOTE
    + """
redis.call('HSET', KEYS[1], 'state', 'failed', 'error', ARGV[1])
redis.call('HDEL', KEYS[1], 'sequence')
redis.call('PEXPIRE', KEYS[1], ARGV[2])
redis.call('DEL', KEYS[2])
note(ARGV[3], ARGV[4], ARGV[1])
local family = redis.call('HGET', KEYS[1], 'family')
if family then redis.call('HINCRBY', KEYS[3], family .. ' failed', 1) end
"""
)

#: KEYS record, beat.
RELEASE = (
    _NOW
    + """
if redis.call('HGET', KEYS[1], 'state') == 'running' then
  redis.call('HSET', KEYS[1], 'state', 'queued', 'sent', now)
  redis.call('HINCRBY', KEYS[1], 'attempts', -1)
end
redis.call('DEL', KEYS[2])
"""
)
