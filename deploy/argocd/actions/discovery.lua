-- The actions of a kind that runs pods. An Environment and an Artifact run only with spec.run.
local run = obj.spec
if obj.kind == "Environment" or obj.kind == "Artifact" then
  run = obj.spec.run
end
local stopped = run ~= nil and run.suspend == true
return {
  restart = {disabled = run == nil or stopped},
  stop = {disabled = run == nil or stopped},
  start = {disabled = not stopped},
}
