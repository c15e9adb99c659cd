-- Results of 1,000 rows, about 200 bytes each.
function thread_init()
   drv = sysbench.sql.driver()
   con = drv:connect()
end

function event()
   local first = sysbench.rand.uniform(1, 9000)
   con:query("SELECT id, k, c, pad FROM sbtest1 WHERE id BETWEEN " .. first .. " AND " .. first + 999)
end

function thread_done()
   con:disconnect()
end
