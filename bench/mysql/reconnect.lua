-- A connection for every request, as a function does that keeps nothing between two of them.
function thread_init()
   drv = sysbench.sql.driver()
   con = drv:connect()
end

function event()
   con:disconnect()
   con = drv:connect()
   con:query("SELECT c FROM sbtest1 WHERE id=" .. sysbench.rand.default(1, 10000))
end

function thread_done()
   con:disconnect()
end
