-- The health of a TenysonJob, from its conditions alone: programs do not read `phase`.
local health = {status = "Progressing", message = "The controller has not seen this version yet."}
local status = obj.status
if status == nil or status.conditions == nil then
  return health
end
if status.observedGeneration ~= obj.metadata.generation then
  return health
end
local as = {Complete = "Healthy", Failed = "Degraded", Stalled = "Degraded",
            Suspended = "Suspended", Reconciling = "Progressing"}
for _, condition in ipairs(status.conditions) do
  if condition.status == "True" and as[condition.type] ~= nil then
    health.status = as[condition.type]
    health.message = condition.message
  end
end
return health
