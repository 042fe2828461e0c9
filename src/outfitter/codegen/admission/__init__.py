"""ValidatingAdmissionPolicies of the chart, one module each."""
