-- Health of every kind in outfitter.dev. The statuses follow kstatus: Ready is present after the first reconciliation,
-- Stalled only while a user must fix something. Plain Lua 5.1, no libraries.
local health = {status = "Progressing", message = "waiting for the operator"}
local meta = obj.metadata

if meta.annotations ~= nil and meta.annotations["outfitter.dev/reconcile"] == "disabled" then
  health.status = "Suspended"
  health.message = "paused by annotation outfitter.dev/reconcile"
  return health
end
if meta.deletionTimestamp ~= nil then
  health.message = "being deleted"
  return health
end
if obj.status == nil or obj.status.conditions == nil then
  return health
end
if meta.generation ~= nil and obj.status.observedGeneration ~= meta.generation then
  health.message = "waiting for the operator to reconcile the newest version"
  return health
end

local found = {}
for _, condition in ipairs(obj.status.conditions) do
  found[condition.type] = condition
end
local ready = found["Ready"]
if found["Stalled"] ~= nil and found["Stalled"].status == "True" then
  health.status = "Degraded"
  health.message = found["Stalled"].message
elseif ready ~= nil and ready.status == "True" then
  health.status = ready.reason == "Stopped" and "Suspended" or "Healthy"
  health.message = ready.message
elseif ready ~= nil then
  health.message = ready.message
end
return health
